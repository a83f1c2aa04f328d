// RateLimit: times that the test sets, and several threads.
#include "services/transfer/rate_limit.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace sluice {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kStart = 1000 * kSecond;

TEST(RateLimit, is_none_where_it_is_zero) {
  RateLimit limit(0);
  limit.spend(uint64_t{1} << 40, kStart);
  EXPECT_FALSE(limit.limits());
  EXPECT_EQ(limit.wait_ns(kStart), 0u);
}

TEST(RateLimit, lets_a_tenth_of_a_second_move_at_once_and_then_the_rate) {
  RateLimit limit(1000000);
  limit.spend(99999, kStart);
  EXPECT_EQ(limit.wait_ns(kStart), 0u);
  limit.spend(50001, kStart);
  EXPECT_NEAR(static_cast<double>(limit.wait_ns(kStart)), 0.05 * kSecond, 1000);
  EXPECT_EQ(limit.wait_ns(kStart + kSecond / 20 + 1000), 0u);
  // A pause brings no more than the burst.
  const uint64_t later = kStart + 3600 * kSecond;
  limit.spend(200000, later);
  EXPECT_NEAR(static_cast<double>(limit.wait_ns(later)), 0.1 * kSecond, 1000);
}

TEST(RateLimit, keeps_the_rate_over_a_minute_whatever_moves_at_once) {
  for (const uint64_t at_once : {uint64_t{1000}, uint64_t{262144}, uint64_t{5000000}}) {
    RateLimit limit(1000000);
    uint64_t moved = 0, now = kStart;
    while (now < kStart + 60 * kSecond) {
      if (const uint64_t wait = limit.wait_ns(now)) {
        now += wait;
        continue;
      }
      limit.spend(at_once, now);
      moved += at_once;
    }
    EXPECT_LE(moved, uint64_t{60100000} + at_once);
    EXPECT_GE(moved, 60000000u);
  }
}

TEST(RateLimit, that_changes_holds_from_then_on_and_forgives_no_debt) {
  RateLimit limit(1000);
  limit.spend(1100, kStart);
  limit.set(1000000);
  EXPECT_NEAR(static_cast<double>(limit.wait_ns(kStart)), 1.0 * kSecond, 1000);
  limit.spend(1000000, kStart);
  EXPECT_NEAR(static_cast<double>(limit.wait_ns(kStart)), 2.0 * kSecond, 1000);
  limit.set(0);
  EXPECT_EQ(limit.wait_ns(kStart), 0u);
}

TEST(RateLimit, owes_no_more_than_a_clock_can_tell) {
  RateLimit limit(1);
  for (int i = 0; i < 100; ++i) limit.spend(UINT64_MAX, kStart);
  EXPECT_GE(limit.wait_ns(kStart), 3600 * kSecond);
  EXPECT_LE(limit.wait_ns(kStart), 100 * 3600 * kSecond);
}

TEST(RateLimit, moves_at_once_what_is_worth_a_call_and_not_much_more_than_the_burst) {
  EXPECT_EQ(RateLimit(1024).most_at_once(), 16u * 1024);
  EXPECT_EQ(RateLimit(1000000).most_at_once(), 100000u);
  EXPECT_EQ(RateLimit(uint64_t{1} << 40).most_at_once(), 1u << 20);
}

TEST(RateLimit, counts_what_threads_spend_at_the_same_time) {
  RateLimit limit(1000000000);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 10000; ++n) limit.spend(1000, kStart);
    });
  }
  for (std::thread& thread : threads) thread.join();
  // 40 MB of the 100 that may move at once.
  limit.spend(60000000, kStart);
  EXPECT_EQ(limit.wait_ns(kStart), 0u);
  limit.spend(1000, kStart);
  EXPECT_EQ(limit.wait_ns(kStart), 1000u);
}

}  // namespace
}  // namespace sluice
