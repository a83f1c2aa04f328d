// rekey_bench: what rekeying costs a session that moves data, over loopback, both ends in this process.
//
// usage: rekey_bench [--gib N] [--cipher NAME] [--rounds N]
// For each round: the same transfer without rekeying, at 64 MiB and at 16 MiB, in turn. Prints medians and ratios.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "base/check.h"
#include "tests/support/test_peer.h"

namespace {

using namespace sluice;
using namespace sluice::test;

struct Run {
  double seconds;
  uint64_t rekeys;
};

Run transfer(uint64_t bytes, uint64_t rekey_bytes, const std::string& cipher) {
  ServerOptions server_options;
  server_options.limits.volume_bytes = rekey_bytes;
  ClientOptions client_options;
  client_options.config.ciphers = {cipher};
  client_options.limits.volume_bytes = uint64_t{1} << 40;
  client_options.command = "source " + std::to_string(bytes);
  TestEnd server_end, client_end;
  TestServer server(server_end, server_options);
  server_end.start();
  const auto result = connect_client(client_end, server.port(), client_options);
  client_end.start();
  while (result->received == 0 && !result->ended) std::this_thread::sleep_for(std::chrono::microseconds(100));
  const auto start = std::chrono::steady_clock::now();
  while (!result->channel_closed && !result->ended) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  SLUICE_CHECK(result->received == bytes && !result->wrong);
  client_end.stop();
  return {seconds, result->rekeys};
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t gib = 2;
  int rounds = 5;
  std::string cipher = "aes128-gcm@openssh.com";
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    if (name == "--gib") gib = std::strtoull(argv[i + 1], nullptr, 10);
    if (name == "--rounds") rounds = std::atoi(argv[i + 1]);
    if (name == "--cipher") cipher = argv[i + 1];
  }
  const uint64_t bytes = gib << 30;
  const uint64_t kNever = uint64_t{1} << 40;
  const std::array<uint64_t, 3> limits{kNever, uint64_t{64} << 20, uint64_t{16} << 20};
  std::array<std::vector<double>, 3> speeds;
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < limits.size(); ++i) {
      const Run run = transfer(bytes, limits[i], cipher);
      speeds[i].push_back(static_cast<double>(bytes) / run.seconds / 1e9);
      std::printf("round %d, rekey at %5s MiB: %6.2f GB/s, %llu rekeys\n", round,
                  i == 0 ? "never" : std::to_string(limits[i] >> 20).c_str(), speeds[i].back(),
                  static_cast<unsigned long long>(run.rekeys));
    }
  }
  const double base = median(speeds[0]);
  std::printf("%s, %llu GiB, medians: never %.2f GB/s; 64 MiB %.2f (%.2f x); 16 MiB %.2f (%.2f x)\n", cipher.c_str(),
              static_cast<unsigned long long>(gib), base, median(speeds[1]), median(speeds[1]) / base,
              median(speeds[2]), median(speeds[2]) / base);
  return 0;
}
