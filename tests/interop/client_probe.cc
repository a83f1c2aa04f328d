// A client for interop tests: logs in to a foreign server, runs a command, sends a pattern through it and checks what
// comes back.
//
// usage: client_probe --port N [--NAME VALUE]...
// Lists take commas; --identity, --password, --passphrase, --new-password, --answer and --word may be given again.
// Prints one JSON object. Exit code 0: logged in, and every byte was right.
#include <cstdio>
#include <cstdlib>
#include <map>

#include "base/check.h"
#include "control/client/dial.h"
#include "control/client/known_hosts_updater.h"
#include "control/client_connection.h"
#include "drivers/socket_transport.h"
#include "tests/interop/agreed.h"
#include "tests/support/scripted_dialog.h"
#include "tests/support/test_peer.h"

namespace {

using namespace sluice;

constexpr const char* kKinds[] = {
    "host_not_found",    "connection_refused",  "connect_failed",    "connect_timeout",  "turned_away",
    "version",           "no_common",           "host_key_unknown",  "host_key_changed", "host_key_revoked",
    "host_key_declined", "host_key_unverified", "permission_denied", "login_timeout",    "closed",
    "disconnected",      "server_silent",       "protocol",          "overloaded"};
static_assert(std::size(kKinds) == static_cast<size_t>(FailureKind::overloaded) + 1);

class Options {
 public:
  Options(int argc, char** argv) {
    for (int i = 1; i + 1 < argc; i += 2) given_[argv[i] + 2].emplace_back(argv[i + 1]);
  }
  std::deque<std::string> all(const std::string& name) const {
    const auto found = given_.find(name);
    return found == given_.end() ? std::deque<std::string>() : found->second;
  }
  std::string one(const std::string& name, const std::string& otherwise) const {
    return all(name).empty() ? otherwise : all(name).back();
  }
  uint64_t number(const std::string& name, uint64_t otherwise) const {
    return all(name).empty() ? otherwise : std::strtoull(all(name).back().c_str(), nullptr, 10);
  }
  void list(const std::string& name, NameList& into) const {
    if (!all(name).empty()) into = *parse_names(all(name).back());
  }

 private:
  std::map<std::string, std::deque<std::string>> given_;
};

// What the threads tell each other, and at last the user.
struct Outcome {
  std::atomic<bool> channel_closed{false}, wrong{false}, ended{false};
  std::atomic<uint64_t> received{0};
  bool logged_in = false;
  std::string method;
  uint64_t exchanges = 0;
  std::string agreed;
  std::optional<ClientFailure> failure;
};

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    if (c == '\n') {
      out.append("\\n");
    } else if (static_cast<unsigned char>(c) >= 0x20) {
      out.push_back(c);
    }
  }
  return out.append("\"");
}

void print(const Outcome& outcome, const test::ScriptedDialog& dialog) {
  std::string asked;
  for (const std::string& question : dialog.asked) asked.append(asked.empty() ? "" : ", ").append(quoted(question));
  std::printf(
      "{\"logged_in\": %s, \"method\": %s, \"received\": %llu, \"wrong\": %s, \"exchanges\": %llu, \"agreed\": \"%s\", "
      "\"kind\": %s, \"text\": %s, \"shown\": %s, \"asked\": [%s]}\n",
      outcome.logged_in ? "true" : "false", quoted(outcome.method).c_str(),
      static_cast<unsigned long long>(outcome.received.load()), outcome.wrong ? "true" : "false",
      static_cast<unsigned long long>(outcome.exchanges), outcome.agreed.c_str(),
      outcome.failure ? quoted(kKinds[static_cast<size_t>(outcome.failure->kind)]).c_str() : "null",
      quoted(outcome.failure ? outcome.failure->text : "").c_str(), quoted(dialog.shown).c_str(), asked.c_str());
}

StrictHostKeys strictness(const std::string& word) {
  if (word == "yes") return StrictHostKeys::yes;
  if (word == "ask") return StrictHostKeys::ask;
  return word == "no" ? StrictHostKeys::no : StrictHostKeys::accept_new;
}

std::vector<AuthMethod> order(const std::string& names) {
  std::vector<AuthMethod> methods;
  const auto list = parse_names(names);
  for (const std::string& name : *list) methods.push_back(find_auth_method(name));
  return methods;
}

ClientConnectionConfig config_from(const Options& options) {
  ClientConnectionConfig config;
  config.user = options.one("user", "ann");
  config.host = "127.0.0.1";
  config.order = order(options.one("methods", "publickey,keyboard-interactive,password"));
  for (const std::string& file : options.all("identity")) config.keys.files.push_back(file);
  config.keys.files_named = true;
  config.agent_path = options.one("agent", "");
  config.login_timeout_ms = 120000;
  config.alive_interval_ms = static_cast<int64_t>(options.number("alive-ms", 0));
  return config;
}

// Ends the connection when its channel is done, a moment later: what the server still wants to say is heard.
void close_when_done(ControlLoop& loop, ClientConnection& connection, const std::shared_ptr<Outcome>& outcome,
                     int64_t linger_ms) {
  if (outcome->ended) return;
  if (outcome->channel_closed)
    return loop.after(linger_ms, [&connection, outcome] {
      if (!outcome->ended) connection.close();
    });
  loop.after(2, [&loop, &connection, outcome, linger_ms] { close_when_done(loop, connection, outcome, linger_ms); });
}

}  // namespace

int main(int argc, char** argv) {
  const Options options(argc, argv);
  test::ScriptedDialog dialog;
  dialog.words = options.all("word");
  dialog.passwords = options.all("password");
  dialog.passphrases = options.all("passphrase");
  dialog.new_passwords = options.all("new-password");
  dialog.answers = options.all("answer");
  const auto port = static_cast<uint16_t>(options.number("port", 22));
  const auto policy = std::make_shared<const HostKeyPolicy>(HostKeyPolicyConfig{
      "127.0.0.1", port, strictness(options.one("strict", "accept-new")), {options.one("known-hosts", "none")}});
  TransportConfig transport = default_transport_config(Role::client);
  options.list("kex", transport.kex);
  options.list("ciphers", transport.ciphers);
  options.list("macs", transport.macs);
  options.list("host-keys", transport.host_keys);
  transport.host_keys = policy->preferred(transport.host_keys);
  transport.kex_options.min_modulus = static_cast<unsigned>(options.number("min-modulus", 2048));
  RekeyLimits limits;
  limits.volume_bytes = options.number("rekey-bytes", limits.volume_bytes);
  const uint64_t bytes = options.number("bytes", 0);
  const auto outcome = std::make_shared<Outcome>();
  const auto dialed = dial({.host = "127.0.0.1", .port = port, .timeout = std::chrono::seconds(60)});
  if (!dialed) {
    outcome->failure = dialed.error();
    print(*outcome, dialog);
    return 1;
  }
  test::TestEnd end;
  KnownHostsUpdater updater(policy, end.pool(), dialog, UpdateConsent::given);
  SessionId session = 0;
  const auto progress = [outcome](const test::PullState& state) {
    outcome->received = state.received;
    if (state.wrong) outcome->wrong = true;
    if (state.closed) outcome->channel_closed = true;
  };
  auto connection = std::make_unique<ClientConnection>(
      end.loop(), end.pool(), config_from(options), policy, dialog, &updater,
      ClientEvents{[&](const LoggedIn& in) {
                     outcome->logged_in = true;
                     outcome->method = name_of(in.method);
                     end.loop().open_channels(
                         session, std::make_unique<test::PullChannel>(options.one("command", "cat"), bytes, progress));
                   },
                   [&](const std::optional<ClientFailure>& failure) {
                     outcome->failure = failure;
                     const TransportMachine& machine = *end.loop().machine(session);
                     outcome->exchanges = machine.exchanges();
                     if (outcome->exchanges > 0) outcome->agreed = test::agreed(machine.negotiated());
                     outcome->ended = true;
                   }});
  ClientConnection& added = *connection;
  session = end.loop().add(std::make_unique<SocketTransport>(dialed->descriptor), transport, limits, "127.0.0.1",
                           std::move(connection));
  close_when_done(end.loop(), added, outcome, static_cast<int64_t>(options.number("linger-ms", 0)));
  end.start();
  for (int i = 0; i < 32000 && !outcome->ended; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  end.stop();
  print(*outcome, dialog);
  return outcome->logged_in && outcome->channel_closed && !outcome->wrong && outcome->received == bytes ? 0 : 1;
}
