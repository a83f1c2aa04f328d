// A whole server for login tests: the monitor in a process of its own, transport and authentication in another, test
// channels for whoever gets in.
//
// usage: login_server USER PASSWORD AUTHORIZED_KEYS HOST_KEY_FOLDER [NAME=NUMBER...]
// Prints its port and the fingerprints of its host keys and serves until its standard input ends. At the end it says
// on standard error what was counted.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>

#include "base/check.h"
#include "control/auth/backends/hashed_secret.h"
#include "control/auth/backends/local_users.h"
#include "control/config/algorithm_choice.h"
#include "control/config/server_config.h"
#include "control/keys/fingerprint.h"
#include "control/listener.h"
#include "control/monitor/monitor_link.h"
#include "control/server_connection.h"
#include "drivers/socket_transport.h"
#include "tests/support/test_peer.h"

namespace {

using namespace sluice;

class Settings {
 public:
  Settings(int argc, char** argv) {
    for (int i = 5; i < argc; ++i) {
      const std::string_view setting = argv[i];
      const size_t equals = setting.find('=');
      SLUICE_CHECK(equals != std::string_view::npos);
      values_[std::string(setting.substr(0, equals))] = std::atoi(argv[i] + equals + 1);
    }
  }
  template <class T>
  void apply(const char* name, T& to) const {
    if (const auto found = values_.find(name); found != values_.end()) to = T(found->second);
  }

 private:
  std::map<std::string, int> values_;
};

int serve_monitor(int end, char** argv, const Settings& settings) {
  std::ifstream file(argv[3]);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  LocalUser user;
  user.name = argv[1];
  user.hashed_secret = hash_secret(Secret(bytes_of(argv[2])));
  user.keys = AuthorizedKeys::parse(text).keys();
  auto users = std::make_shared<LocalUsers>();
  SLUICE_CHECK(users->put(std::move(user)).has_value());
  auto store = HostKeyStore::open(argv[4]);
  SLUICE_CHECK(store.has_value() && store->generate_missing().has_value());
  auto keys = HostKeys::load(*store);
  SLUICE_CHECK(keys.has_value());
  auto completions = std::make_shared<Completions>();
  WorkPool quick({.threads = 1}), slow({.threads = 1});
  MonitorConfig config;
  settings.apply("max-auth", config.login.max_tries);
  Monitor monitor(config, std::move(*keys), users, quick, slow, completions);
  MonitorLink link(end);
  const std::atomic<bool> stop{false};
  return run_monitor(monitor, *completions, link, stop) ? 0 : 1;
}

ListenerConfig listener_config(const Settings& settings) {
  ListenerConfig config;
  config.limits = default_limits(Platform::sluice, 2, uint64_t{4} << 30);
  settings.apply("rate", config.limits.rate_per_minute);
  settings.apply("sessions", config.limits.sessions);
  settings.apply("unauthenticated", config.limits.unauthenticated);
  settings.apply("per-source", config.limits.unauthenticated_per_source);
  settings.apply("failed-login-ms", config.penalties.failed_login);
  settings.apply("threshold-ms", config.penalties.threshold);
  int proxies = 0;
  settings.apply("proxies", proxies);
  if (proxies != 0) config.proxies.push_back(*AddressRange::parse("127.0.0.0/8"));
  return config;
}

TransportConfig transport_of(const Settings& settings) {
  int modern = 0;
  settings.apply("modern", modern);
  if (modern == 0) return default_transport_config(Role::server);
  ServerConfig config;
  config.algorithms.policy = CryptoPolicy::modern;
  return server_transport_config(config);
}

class Server {
 public:
  Server(test::TestEnd& end, MonitorGate& gate, const Settings& settings)
      : end_(end),
        gate_(gate),
        transport_(transport_of(settings)),
        listener_(end.loop(), listener_config(settings), [this](Arrival arrival) { take(std::move(arrival)); }) {
    settings.apply("login-timeout-ms", connection_.login_timeout_ms);
    settings.apply("alive-interval-ms", connection_.alive_interval_ms);
    settings.apply("alive-count-max", connection_.alive_count_max);
    settings.apply("rekey-every-ms", rekey_every_ms_);
    if (rekey_every_ms_ > 0) rekey_soon();
    std::vector<ListeningSocket> sockets;
    sockets.push_back(std::move(*ListeningSocket::open({.address = "127.0.0.1", .port = 0}, {.dscp = 16})));
    listener_.listen(std::move(sockets));
    std::printf("%u", listener_.endpoints()[0].port);
    for (const OfferedHostKey& key : *gate_.host_keys()) {
      std::printf(" %s", sha256_fingerprint(*PublicKey::parse(key.blob)).c_str());
    }
    std::printf("\n");
    std::fflush(stdout);
  }

  void tell_counts() const {
    const ListenerCounters& counted = listener_.counters();
    std::fprintf(stderr, "counted admitted=%llu", static_cast<unsigned long long>(counted.admitted.get()));
    for (size_t i = 1; i < counted.refused.size(); ++i) {
      std::fprintf(stderr, " refused%zu=%llu", i, static_cast<unsigned long long>(counted.refused[i].get()));
    }
    std::fprintf(stderr, "\n");
  }

 private:
  // The operator's hand.
  void rekey_soon() {
    end_.loop().after(rekey_every_ms_, [this] {
      end_.loop().rekey_all();
      rekey_soon();
    });
  }

  void take(Arrival arrival) {
    ControlLoop& loop = end_.loop();
    auto session = std::make_shared<SessionId>(0);
    const std::string from = arrival.from.address.text();
    auto connection =
        std::make_unique<ServerConnection>(loop, gate_, LoginSource{from, ""}, connection_, std::move(arrival.place),
                                           ServerConnection::Told{[&loop, session](const Permit&) {
                                             loop.open_channels(*session, std::make_unique<test::EchoChannel>());
                                           }});
    *session =
        loop.add(std::make_unique<SocketTransport>(arrival.descriptor), transport_, {}, from, std::move(connection));
  }

  test::TestEnd& end_;
  MonitorGate& gate_;
  TransportConfig transport_;
  ServerConnectionConfig connection_;
  int64_t rekey_every_ms_ = 0;
  Listener listener_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) return 2;
  const Settings settings(argc, argv);
  const auto [ours, theirs] = MonitorLink::make_pair();
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ours);
    ::_exit(serve_monitor(theirs, argv, settings));
  }
  ::close(theirs);
  {
    test::TestEnd end("", 2);
    std::atomic<bool> lost{false};
    MonitorGate gate(end.loop(), ours, [&lost] { lost = true; });
    std::unique_ptr<Server> server;
    gate.when_ready([&] { server = std::make_unique<Server>(end, gate, settings); });
    end.start();
    char byte;
    while (::read(0, &byte, 1) > 0 && !lost) {}
    end.stop();
    if (server) server->tell_counts();
    end.loop().drop_connections();
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}
