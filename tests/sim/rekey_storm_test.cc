// The rekey storm: many sessions of one worker that rekey at random moments from both sides while data flows.
//
//   rekey_storm_test      or with SLUICE_REKEY_STORM_SESSIONS, SLUICE_REKEY_STORM_SECONDS
//
// 100 sessions for 5 s; with SLUICE_TEST_FULL 1,000 for 60 s; under sanitizers few and short. Each session rekeys once
// a second on average, half of the times by the client's word, so that KEXINITs cross now and then.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdlib>

#include "tests/support/test_peer.h"

namespace sluice::test {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

constexpr uint64_t kMeanMsOfEachSide = 2000;
// Of the clients, until all are in: a thousand key exchanges on a machine that others load too.
constexpr int kLoginSeconds = 600;
constexpr uint64_t kHandshakesAtOnce = 96;
constexpr int64_t kLookMs = 2;
// More than any session can move in the time.
// What lies between the ends when all windows are full is what a key exchange's steps wait behind: of a thousand
// sessions 4 GiB with the usual windows, seconds of this machine.
constexpr uint32_t kWindow = 128u << 10;
constexpr const char* kEndless = "source 1000000000000";

uint64_t setting(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

uint64_t resident_mib() {
  rusage use{};
  ::getrusage(RUSAGE_SELF, &use);
  return static_cast<uint64_t>(use.ru_maxrss) >> 10;
}

// Adds clients, on their control's thread, so that never more than a few shake hands at once: one source may not queue
// more.
struct Arrivals {
  TestEnd& end;
  uint16_t port;
  ClientOptions options;
  uint64_t wanted;
  std::vector<std::shared_ptr<ClientResult>> results = {};
  std::atomic<bool> all_in{false};

  void add_some() {
    uint64_t busy = 0;
    for (const auto& result : results) busy += result->received == 0 && !result->ended;
    for (; busy < kHandshakesAtOnce && results.size() < wanted; ++busy) {
      results.push_back(connect_client(end, port, options));
    }
    all_in = busy == 0 && results.size() == wanted;
    if (!all_in) end.loop().after(kLookMs, [this] { add_some(); });
  }
};

TEST(RekeyStorm, Sessions_that_rekey_at_random_lose_nothing) {
  const bool full = std::getenv("SLUICE_TEST_FULL") != nullptr && !kSanitized;
  const uint64_t sessions = setting("SLUICE_REKEY_STORM_SESSIONS", full ? 1000 : kSanitized ? 16 : 100);
  const uint64_t seconds = setting("SLUICE_REKEY_STORM_SECONDS", full ? 60 : 5);
  TestEnd server_end, client_end;
  ServerOptions server_options;
  server_options.rekey_mean_ms = kMeanMsOfEachSide;
  TestServer server(server_end, server_options);
  server_end.start();
  ClientOptions options;
  options.command = kEndless;
  options.rekey_mean_ms = kMeanMsOfEachSide;
  options.window = kWindow;
  Arrivals arrivals{client_end, server.port(), options, sessions};
  arrivals.add_some();
  client_end.start();
  for (int i = 0; i < kLoginSeconds * 10 && !arrivals.all_in; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  std::vector<uint64_t> before;
  if (!arrivals.all_in) {
    client_end.stop();
    FAIL() << "not all are in";
  }
  const auto& results = arrivals.results;
  for (const auto& result : results) before.push_back(result->received);
  const uint64_t rekeys_before = server.rekeys();
  std::this_thread::sleep_for(std::chrono::seconds(seconds));
  client_end.stop();
  uint64_t bytes = 0;
  for (size_t i = 0; i < results.size(); ++i) {
    const ClientResult& result = *results[i];
    EXPECT_FALSE(result.ended) << "session " << i << ": " << result.disconnect;
    EXPECT_FALSE(result.wrong) << "session " << i;
    EXPECT_GT(result.received, before[i]) << "session " << i << " stands still";
    bytes += result.received - before[i];
  }
  const uint64_t rekeys = server.rekeys() - rekeys_before;
  EXPECT_GT(rekeys, sessions * seconds / (kSanitized ? 100 : 10)) << "no storm at all";
  std::printf("%llu sessions, %llu s: %llu rekeys, %.2f GB/s, %llu MiB resident at most, both ends\n",
              static_cast<unsigned long long>(sessions), static_cast<unsigned long long>(seconds),
              static_cast<unsigned long long>(rekeys), static_cast<double>(bytes) / 1e9 / static_cast<double>(seconds),
              static_cast<unsigned long long>(resident_mib()));
}

}  // namespace
}  // namespace sluice::test
