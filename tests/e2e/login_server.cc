// A whole server for login tests: the monitor in a process of its own, transport and authentication in another, test
// channels for whoever gets in.
//
// usage: login_server USER PASSWORD AUTHORIZED_KEYS HOST_KEY_FOLDER
// Prints its port and the fingerprints of its host keys and serves until its standard input ends.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>

#include "base/check.h"
#include "control/auth/backends/hashed_secret.h"
#include "control/auth/backends/local_users.h"
#include "control/keys/fingerprint.h"
#include "control/monitor/monitor_link.h"
#include "control/server_connection.h"
#include "drivers/socket_transport.h"
#include "tests/support/test_peer.h"

namespace {

using namespace sluice;

int serve_monitor(int end, char** argv) {
  std::ifstream file(argv[3]);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  LocalUser user;
  user.name = argv[1];
  user.hashed_secret = hash_secret(Secret(bytes_of(argv[2])));
  user.keys = AuthorizedKeys::parse(text).keys();
  LocalUsers users;
  SLUICE_CHECK(users.put(std::move(user)).has_value());
  auto store = HostKeyStore::open(argv[4]);
  SLUICE_CHECK(store.has_value() && store->generate_missing().has_value());
  auto keys = HostKeys::load(*store);
  SLUICE_CHECK(keys.has_value());
  auto completions = std::make_shared<Completions>();
  WorkerPool quick(1, 1024), slow(1, 1024);
  Monitor monitor({}, std::move(*keys), users, quick, slow, completions);
  MonitorLink link(end);
  const std::atomic<bool> stop{false};
  return run_monitor(monitor, *completions, link, stop) ? 0 : 1;
}

class Listener {
 public:
  Listener(test::TestEnd& end, MonitorGate& gate) : end_(end), gate_(gate) {
    descriptor_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    SLUICE_CHECK(::bind(descriptor_, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                 ::listen(descriptor_, 64) == 0);
    ::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &size);
    std::printf("%u", ntohs(address.sin_port));
    for (const OfferedHostKey& key : gate_.host_keys()) {
      std::printf(" %s", sha256_fingerprint(*PublicKey::parse(key.blob)).c_str());
    }
    std::printf("\n");
    std::fflush(stdout);
    end_.loop().watch(descriptor_, [this] { accept_all(); });
  }

 private:
  void accept_all() {
    for (int fd; (fd = ::accept4(descriptor_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
      ControlLoop& loop = end_.loop();
      auto session = std::make_shared<SessionId>(0);
      auto connection = std::make_unique<ServerConnection>(
          loop, gate_, LoginSource{"127.0.0.1", ""}, ServerConnectionConfig{},
          [&loop, session](const Permit&) { loop.open_channels(*session, std::make_unique<test::EchoChannel>()); });
      *session = loop.add(std::make_unique<SocketTransport>(fd), default_transport_config(Role::server), {},
                          "127.0.0.1", std::move(connection));
    }
  }

  test::TestEnd& end_;
  MonitorGate& gate_;
  int descriptor_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const auto [ours, theirs] = MonitorLink::make_pair();
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ours);
    ::_exit(serve_monitor(theirs, argv));
  }
  ::close(theirs);
  {
    test::TestEnd end;
    std::atomic<bool> lost{false};
    MonitorGate gate(end.loop(), ours, [&lost] { lost = true; });
    std::unique_ptr<Listener> listener;
    gate.when_ready([&] { listener = std::make_unique<Listener>(end, gate); });
    end.start();
    char byte;
    while (::read(0, &byte, 1) > 0 && !lost) {}
    end.stop();
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}
