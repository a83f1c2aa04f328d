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
constexpr int kLoginSeconds = 120;
// More than any session can move in the time.
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
  std::vector<std::shared_ptr<ClientResult>> results;
  for (uint64_t i = 0; i < sessions; ++i) results.push_back(connect_client(client_end, server.port(), options));
  client_end.start();
  const auto flowing = [&] {
    for (const auto& result : results) {
      if (result->received == 0 && !result->ended) return false;
    }
    return true;
  };
  for (int i = 0; i < kLoginSeconds * 10 && !flowing(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  std::vector<uint64_t> before;
  EXPECT_TRUE(flowing()) << "not all are in";
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
