// A server for interop tests of transport and rekeying: test channels behind the real transport, no authentication.
//
// usage: echo_server [--port N] [--rekey-bytes N] [--kex NAMES] [--ciphers NAMES] [--macs NAMES] [--host-keys NAMES]
// Prints its port on a line of its own and serves until its standard input ends.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "tests/support/test_peer.h"

int main(int argc, char** argv) {
  using namespace sluice;
  test::ServerOptions options;
  uint16_t port = 0;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const auto names = parse_names(argv[i + 1]);
    if (name == "--port") port = static_cast<uint16_t>(std::atoi(argv[i + 1]));
    if (name == "--rekey-bytes") options.limits.volume_bytes = std::strtoull(argv[i + 1], nullptr, 10);
    if (name == "--kex" && names) options.config.kex = *names;
    if (name == "--ciphers" && names) options.config.ciphers = *names;
    if (name == "--macs" && names) options.config.macs = *names;
    if (name == "--host-keys" && names) options.config.host_keys = *names;
  }
  test::TestEnd end;
  test::TestServer server(end, options, port);
  std::printf("%u\n", server.port());
  std::fflush(stdout);
  end.start();
  char byte;
  while (::read(0, &byte, 1) > 0) {}
  std::fprintf(stderr, "%llu rekeys\n", static_cast<unsigned long long>(server.rekeys().load()));
  return 0;
}
