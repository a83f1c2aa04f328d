// A server for interop tests of transport and rekeying: test channels behind the real transport, no authentication.
//
// usage: echo_server [--rekey-bytes N] [--kex NAMES] [--ciphers NAMES] [--macs NAMES] [--host-keys NAMES]
// Prints its port and the fingerprints of its host keys on one line. Each line of its standard input has such options
// too, for connections from then on, and is answered by one: how many key exchanges ended since the last answer, and
// what the last of them agreed on. The end of its input is its own.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <semaphore>
#include <sstream>
#include <string_view>

#include "tests/interop/agreed.h"
#include "tests/support/test_peer.h"

namespace {

using namespace sluice;

void take_option(std::string_view name, const std::string& value, test::ServerOptions& options) {
  if (name == "--rekey-bytes") options.limits.volume_bytes = std::strtoull(value.c_str(), nullptr, 10);
  const auto names = parse_names(value);
  if (!names) return;
  if (name == "--kex") options.config.kex = *names;
  if (name == "--ciphers") options.config.ciphers = *names;
  if (name == "--macs") options.config.macs = *names;
  if (name == "--host-keys") options.config.host_keys = *names;
}

// Everything here is control's thread's.
class Orders {
 public:
  explicit Orders(test::ServerOptions& options) : options_(options) {}
  void count(const TransportMachine& machine) {
    ++exchanges_;
    agreed_ = test::agreed(machine.negotiated());
  }
  // False at the end of the input.
  bool read(test::TestServer& server) {
    char bytes[4096];
    const ssize_t n = ::read(0, bytes, sizeof bytes);
    if (n <= 0) return false;
    input_.append(bytes, static_cast<size_t>(n));
    for (size_t end; (end = input_.find('\n')) != std::string::npos; input_.erase(0, end + 1)) {
      obey(input_.substr(0, end));
      server.set_offer(options_.config, options_.limits);
      std::printf("%u %s\n", std::exchange(exchanges_, 0), agreed_.c_str());
      std::fflush(stdout);
    }
    return true;
  }

 private:
  void obey(const std::string& line) {
    std::istringstream words(line);
    for (std::string name, value; words >> name >> value;) take_option(name, value, options_);
  }

  test::ServerOptions& options_;
  std::string input_, agreed_;
  unsigned exchanges_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  test::ServerOptions options;
  for (int i = 1; i + 1 < argc; i += 2) take_option(argv[i], argv[i + 1], options);
  Orders orders(options);
  options.on_exchange = [&orders](const TransportMachine& machine) { orders.count(machine); };
  test::TestEnd end;
  test::TestServer server(end, options);
  std::printf("%u", server.port());
  for (const std::string& fingerprint : server.host_keys().fingerprints()) std::printf(" %s", fingerprint.c_str());
  std::printf("\n");
  std::fflush(stdout);
  std::binary_semaphore ended{0};
  end.loop().watch(0, [&] {
    if (orders.read(server)) return;
    end.loop().unwatch(0);
    ended.release();
  });
  end.start();
  ended.acquire();
  return 0;
}
