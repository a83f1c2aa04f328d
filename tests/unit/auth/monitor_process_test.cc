// Client, server and monitor together: the monitor in a process of its own, over a real socket pair, with its threads.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <thread>

#include "control/monitor/monitor_link.h"
#include "tests/unit/auth/auth_world.h"

namespace sluice {
namespace {

constexpr Instant kNow{1000};

// What the monitor's process runs, or in the sanitized test a thread.
bool serve(int end, const std::atomic<bool>& stop, std::vector<std::vector<AuthMethod>> ways) {
  LocalUsers users([](const std::string&, const std::string&) { return true; });
  if (!users.put(test::local_user(
          "ann", "pw", {test::key_of(KeyType::ed25519).public_key(), test::key_of(KeyType::rsa).public_key()})))
    return false;
  LocalUser old = test::local_user("old", "pw");
  old.must_change = true;
  if (!users.put(std::move(old))) return false;
  HostKeys keys = HostKeys::none();
  keys.add(std::move(*PrivateKey::generate(KeyType::ed25519)));
  keys.add(std::move(*PrivateKey::generate(KeyType::rsa, 2048)));
  auto completions = std::make_shared<Completions>();
  WorkPool quick({.threads = 2});
  WorkPool slow({.threads = 2});
  MonitorConfig config;
  if (!ways.empty()) config.login.ways = std::move(ways);
  Monitor monitor(std::move(config), std::move(keys), test::borrowed(users), quick, slow, completions);
  MonitorLink link(end);
  return run_monitor(monitor, *completions, link, stop);
}

// The network process' side: the events it waits for, with a deadline.
class Network {
 public:
  explicit Network(int end) : link_(end) { client_.list_host_keys(); }

  MonitorClient& client() { return client_; }

  template <class T>
  std::optional<T> wait() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (std::chrono::steady_clock::now() < deadline) {
      for (size_t i = 0; i < events_.size(); ++i) {
        if (!std::holds_alternative<T>(events_[i])) continue;
        T found = std::move(std::get<T>(events_[i]));
        events_.erase(events_.begin() + static_cast<ptrdiff_t>(i));
        return found;
      }
      if (!link_.flush(client_.output())) return std::nullopt;
      Bytes packet;
      const auto outcome = link_.receive(packet);
      if (outcome == MonitorLink::Outcome::ended) return std::nullopt;
      if (outcome == MonitorLink::Outcome::would_block) {
        std::this_thread::sleep_for(std::chrono::microseconds(50));
        continue;
      }
      auto taken = client_.take_packet(packet);
      if (!taken) return std::nullopt;
      for (auto& event : *taken) events_.push_back(std::move(event));
    }
    return std::nullopt;
  }

 private:
  MonitorLink link_;
  MonitorClient client_;
  std::vector<MonitorEvent> events_;
};

// A whole login, messages carried between the two machines by hand.
class Login {
 public:
  Login(Network& network, const std::vector<uint8_t>& host_key, AuthClientConfig config)
      : network_(network), identities_(config.identities), hash_(test::some_hash(32, next_fill_++)) {
    id_ = network.client().open({"192.0.2.1", ""});
    network.client().sign(id_, {"curve25519-sha256", "ssh-ed25519", host_key, hash_});
    const auto sign = network.wait<Signed>();
    EXPECT_TRUE(sign && PublicKey::parse(host_key)->verify(sign->signature, "ssh-ed25519", hash_));
    config.session_id = hash_;
    client_.emplace(std::move(config));
  }
  ~Login() { network_.client().close(id_); }

  uint32_t id() const { return id_; }

  // The methods that led in; empty when refused.
  std::string run() {
    bool going = act(client_->start());
    while (going && !permit_) going = step();
    return permit_ && client_->phase() == ClientPhase::done ? permit_->methods : "";
  }

 private:
  bool step() {
    if (to_server_.empty()) return false;
    const Secret message = std::move(to_server_.front());
    to_server_.pop_front();
    return act(server_.take(message.view(), kNow));
  }

  bool act(Result<AuthActions> actions) {
    if (!actions) return false;
    for (auto& action : *actions) {
      if (auto* sent = std::get_if<SendMessage>(&action)) {
        if (!act(client_->take(sent->message))) return false;
      } else if (auto* asked = std::get_if<AskMonitor>(&action)) {
        network_.client().ask(id_, asked->question);
        auto judged = network_.wait<Judged>();
        if (!judged || !act(server_.take_verdict(asked->id, std::move(judged->verdict), kNow))) return false;
      } else if (auto* authenticated = std::get_if<Authenticated>(&action)) {
        permit_ = std::move(authenticated->permit);
      }
    }
    return true;
  }

  bool act(Result<ClientActions> actions) {
    if (!actions) return false;
    for (auto& action : *actions) {
      bool good = true;
      if (auto* sent = std::get_if<SendSecret>(&action)) {
        to_server_.push_back(std::move(sent->message));
      } else if (auto* sign = std::get_if<SignWith>(&action)) {
        const KeyType type = identities_[sign->identity].key.type();
        good = act(client_->take_signature(*test::key_of(type).sign(sign->algorithm, sign->data)));
      } else if (std::holds_alternative<AskPassword>(action)) {
        good = act(client_->take_password(test::secret("pw")));
      } else if (std::holds_alternative<AskNewPassword>(action)) {
        good = act(client_->take_new_password(test::secret("new")));
      } else if (auto* prompts = std::get_if<AskPrompts>(&action)) {
        std::vector<Secret> answers;
        const size_t count = prompts->prompts.prompts.size();
        for (size_t i = 0; i < count; ++i) answers.push_back(test::secret(count == 1 ? "pw" : "new"));
        good = act(client_->take_answers(std::move(answers)));
      }
      if (!good) return false;
    }
    return true;
  }

  static inline uint8_t next_fill_ = 1;
  Network& network_;
  std::vector<ClientIdentity> identities_;
  std::vector<uint8_t> hash_;
  uint32_t id_ = 0;
  AuthServer server_{AuthServerConfig{}};
  std::optional<AuthClient> client_;
  std::deque<Secret> to_server_;
  std::optional<Permit> permit_;
};

AuthClientConfig config_for(std::string user, std::vector<AuthMethod> order, std::vector<KeyType> keys = {}) {
  AuthClientConfig config;
  config.user = std::move(user);
  config.order = std::move(order);
  for (const KeyType type : keys) config.identities.push_back({test::key_of(type).public_key(), "key"});
  return config;
}

void log_in_every_way(Network& network) {
  const auto listed = network.wait<HostKeysListed>();
  ASSERT_TRUE(listed);
  ASSERT_EQ(listed->keys.size(), 2u);
  EXPECT_EQ(listed->keys[1].algorithms, (std::vector<std::string>{"rsa-sha2-512", "rsa-sha2-256"}));
  const auto& host_key = listed->keys[0].blob;
  const auto run = [&](std::string user, std::vector<AuthMethod> order, std::vector<KeyType> keys = {}) {
    return Login(network, host_key, config_for(std::move(user), std::move(order), std::move(keys))).run();
  };
  using enum AuthMethod;
  EXPECT_EQ(run("ann", {publickey}, {KeyType::ed25519}), "publickey");
  EXPECT_EQ(run("ann", {publickey}, {KeyType::ecdsa_nistp256, KeyType::rsa}), "publickey");
  EXPECT_EQ(run("ann", {publickey}, {KeyType::ecdsa_nistp256}), "");
  EXPECT_EQ(run("ann", {password}), "password");
  EXPECT_EQ(run("ann", {keyboard_interactive}), "keyboard-interactive");
  EXPECT_EQ(run("old", {password}), "password");
  EXPECT_EQ(run("old", {keyboard_interactive}), "");
  EXPECT_EQ(run("nobody-here", {publickey, keyboard_interactive, password}, {KeyType::ed25519}), "");
}

// Forked before this process has a thread of its own.
TEST(MonitorProcess, lets_in_by_every_method_over_a_socket_pair) {
  const auto [ours, theirs] = MonitorLink::make_pair();
  ASSERT_GE(ours, 0);
  (void)test::key_of(KeyType::ed25519);
  (void)test::key_of(KeyType::rsa);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::close(ours);
    const std::atomic<bool> stop{false};
    ::_exit(serve(theirs, stop, {}) ? 0 : 1);
  }
  ::close(theirs);
  {
    Network network(ours);
    log_in_every_way(network);
  }
  // The monitor ends when its other side is gone.
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(MonitorThreads, serve_a_fast_login_while_many_passwords_are_hashed) {
  const auto [ours, theirs] = MonitorLink::make_pair();
  ASSERT_GE(ours, 0);
  (void)test::key_of(KeyType::ed25519);
  (void)test::key_of(KeyType::rsa);
  std::atomic<bool> stop{false};
  std::thread monitor([end = theirs, &stop] { EXPECT_TRUE(serve(end, stop, {})); });
  {
    Network network(ours);
    const auto listed = network.wait<HostKeysListed>();
    ASSERT_TRUE(listed);
    // Each has one question out; none of them is waited for.
    std::vector<uint32_t> slow;
    for (int i = 0; i < 24; ++i) {
      slow.push_back(network.client().open({"192.0.2.9", ""}));
      network.client().sign(slow.back(),
                            {"curve25519-sha256", "ssh-ed25519", listed->keys[0].blob, test::some_hash(32)});
      ASSERT_TRUE(network.wait<Signed>());
      network.client().ask(slow.back(), test::password_question("no"));
    }
    const uint32_t id = network.client().open({"192.0.2.1", ""});
    network.client().sign(id, {"curve25519-sha256", "ssh-ed25519", listed->keys[0].blob, test::some_hash(32)});
    ASSERT_TRUE(network.wait<Signed>());
    network.client().ask(id, test::proof_question(test::key_of(KeyType::ed25519), "ssh-ed25519", test::some_hash(32)));
    size_t before = 0;
    for (size_t i = 0; i <= slow.size(); ++i) {
      const auto judged = network.wait<Judged>();
      ASSERT_TRUE(judged);
      if (judged->connection == id) {
        EXPECT_EQ(judged->verdict.kind, VerdictKind::accepted);
        before = i;
      } else {
        EXPECT_EQ(judged->verdict.kind, VerdictKind::refused);
      }
    }
    EXPECT_LT(before, slow.size());
    // Closed while their work is under way: the answers find nobody.
    for (int i = 0; i < 8; ++i) {
      const uint32_t gone = network.client().open({"192.0.2.1", ""});
      network.client().sign(gone, {"curve25519-sha256", "rsa-sha2-512", listed->keys[1].blob, test::some_hash(32)});
      network.client().close(gone);
    }
    network.client().list_host_keys();
    EXPECT_TRUE(network.wait<HostKeysListed>());
  }
  monitor.join();
}

}  // namespace
}  // namespace sluice
