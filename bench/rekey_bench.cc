// rekey_bench: what rekeying costs a session that moves data, and its neighbour on the same workers, over loopback,
// both ends in this process.
//
// usage: rekey_bench [--gib N] [--cipher NAME] [--rounds N] [--limits both|server|client]
// For each round: the same transfer without rekeying, at 64 MiB and at 16 MiB, in turn, twice: alone, for the
// throughput and the pauses, then beside a session that sends a small message to and fro. Exit 1 when short of what is
// asked. The server sends; --limits says who has the limit of that volume, by default both, as both have one unless
// told otherwise.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "apps/sluice/bench/ping_channel.h"
#include "base/check.h"
#include "tests/support/test_peer.h"

namespace {

using namespace sluice;
using namespace sluice::test;

constexpr std::array<uint64_t, 3> kLimits{uint64_t{1} << 40, uint64_t{64} << 20, uint64_t{16} << 20};
constexpr std::array kNames{"never", "64 MiB", "16 MiB"};

struct Run {
  double seconds = 0;
  // Of each rekey, or without rekeying of each 16 MiB: the longest time without data, in milliseconds.
  std::vector<double> pauses;
  // Of the neighbour: request to response, in milliseconds.
  std::vector<double> delays;
};

// The longest gap between two pieces of data, for each stretch between two rekeys.
class GapMeter {
 public:
  void take(uint64_t received, uint64_t rekeys, std::vector<double>& out) {
    const auto now = std::chrono::steady_clock::now();
    if (received_ > 0) longest_ = std::max(longest_, std::chrono::duration<double, std::milli>(now - last_).count());
    last_ = now;
    received_ = received;
    // A rekey is counted by control when data flows again already: the stretch ends some data later.
    const uint64_t stretch = rekeys > 0 ? rekeys : received / kLimits[2];
    if (stretch == stretch_) return;
    if (stretch_ > 0) out.push_back(longest_);
    stretch_ = stretch;
    longest_ = 0;
  }

 private:
  std::chrono::steady_clock::time_point last_;
  uint64_t received_ = 0;
  uint64_t stretch_ = 0;
  double longest_ = 0;
};

struct Wishes {
  uint64_t bytes = uint64_t{2} << 30;
  std::string cipher = "aes128-gcm@openssh.com";
  bool server_limited = true;
  bool client_limited = true;
};

// What a channel's window has grown to on a fast path. With less the sender runs out of it while the receiver may send
// no message but the exchange's.
constexpr uint32_t kWindow = uint32_t{64} << 20;

Run transfer(const Wishes& wishes, uint64_t rekey_bytes, bool neighbour) {
  Run run;
  const uint64_t bytes = wishes.bytes;
  ServerOptions server_options;
  server_options.limits.volume_bytes = wishes.server_limited ? rekey_bytes : kLimits[0];
  ClientOptions client_options;
  client_options.config.ciphers = {wishes.cipher};
  client_options.limits.volume_bytes = wishes.client_limited ? rekey_bytes : kLimits[0];
  client_options.window = kWindow;
  ClientOptions ping_options = client_options;
  ping_options.limits.volume_bytes = kLimits[0];
  std::atomic<bool> pinging{true};
  bench::Member pinger;
  ping_options.make_sink = [&] { return std::make_unique<bench::PingChannel>(pinging, pinger); };
  client_options.command = "source " + std::to_string(bytes);
  GapMeter gaps;
  std::shared_ptr<ClientResult> result;
  client_options.on_progress = [&](uint64_t received) { gaps.take(received, result->rekeys, run.pauses); };
  TestEnd server_end, client_end;
  TestServer server(server_end, server_options);
  server_end.start();
  result = connect_client(client_end, server.port(), client_options);
  if (neighbour) connect_client(client_end, server.port(), ping_options);
  client_end.start();
  while (result->received == 0 && !result->ended) std::this_thread::sleep_for(std::chrono::microseconds(100));
  const auto start = std::chrono::steady_clock::now();
  while (!result->channel_closed && !result->ended) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  run.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  pinging = false;
  SLUICE_CHECK(result->received == bytes && !result->wrong);
  client_end.stop();
  SLUICE_CHECK(!pinger.wrong && !pinger.closed);
  run.delays = std::move(pinger.delays);
  return run;
}

double quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, static_cast<size_t>(static_cast<double>(values.size()) * q))];
}

void append(std::vector<double>& to, const std::vector<double>& from) { to.insert(to.end(), from.begin(), from.end()); }

bool judge(const char* what, double value, bool at_least, double asked) {
  const bool reached = at_least ? value >= asked : value <= asked;
  std::printf("%-58s %8.3f, asked %s %.2f%s\n", what, value, at_least ? "at least" : "at most", asked,
              reached ? "" : "  SHORT");
  return reached;
}

}  // namespace

int main(int argc, char** argv) {
  Wishes wishes;
  int rounds = 5;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i], value = argv[i + 1];
    if (name == "--gib") wishes.bytes = std::strtoull(argv[i + 1], nullptr, 10) << 30;
    if (name == "--rounds") rounds = std::atoi(argv[i + 1]);
    if (name == "--cipher") wishes.cipher = value;
    if (name == "--limits") {
      wishes.server_limited = value != "client";
      wishes.client_limited = value != "server";
    }
  }
  std::array<std::vector<double>, 3> speeds, ratios, pauses, delays;
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < kLimits.size(); ++i) {
      const Run alone = transfer(wishes, kLimits[i], false);
      append(pauses[i], alone.pauses);
      append(delays[i], transfer(wishes, kLimits[i], true).delays);
      speeds[i].push_back(static_cast<double>(wishes.bytes) / alone.seconds / 1e9);
      // Within a round, so that what else the machine does is in both.
      ratios[i].push_back(speeds[i].back() / speeds[0].back());
      std::printf("round %d, %6s: %5.2f GB/s (%.2f x)\n", round, kNames[i], speeds[i].back(), ratios[i].back());
    }
  }
  for (size_t i = 0; i < kLimits.size(); ++i) {
    std::printf(
        "%6s: longest gap of a stretch, median %.3f, p99 %.3f ms of %zu; neighbour's answer, median %.3f, p99 %.3f "
        "ms\n",
        kNames[i], quantile(pauses[i], 0.5), quantile(pauses[i], 0.99), pauses[i].size(), quantile(delays[i], 0.5),
        quantile(delays[i], 0.99));
  }
  std::printf("%s, %llu GiB, %d rounds, medians\n", wishes.cipher.c_str(),
              static_cast<unsigned long long>(wishes.bytes >> 30), rounds);
  const double usual = quantile(pauses[0], 0.5);
  bool reached = judge("GB/s without rekeying", quantile(speeds[0], 0.5), true, 2);
  reached &= judge("throughput at 64 MiB : without", quantile(ratios[1], 0.5), true, 0.95);
  reached &= judge("throughput at 16 MiB : without", quantile(ratios[2], 0.5), true, 0.85);
  reached &= judge("extra wall time of a rekey, median, ms", quantile(pauses[2], 0.5) - usual, false, 1);
  reached &= judge("extra wall time of a rekey, p99, ms", quantile(pauses[2], 0.99) - usual, false, 6);
  reached &=
      judge("added delay of a neighbour, p99, ms", quantile(delays[2], 0.99) - quantile(delays[0], 0.99), false, 1);
  return reached ? 0 : 1;
}
