// When bytes come out of a path: LinkSchedule under a clock that the test moves.
#include "tests/link/link_schedule.h"

#include <gtest/gtest.h>

namespace sluice::link {
namespace {

TEST(LinkSchedule, Without_settings_everything_is_due_at_once) {
  LinkSchedule schedule({});
  EXPECT_EQ(schedule.due(1000, 1 << 20), 1000u);
  EXPECT_EQ(schedule.due(2000, 1), 2000u);
}

TEST(LinkSchedule, A_delay_is_added_to_each_byte_and_holds_no_rate_down) {
  LinkSchedule schedule({.delay_ns = 100 * kMillisecond});
  for (uint64_t now = 1; now < 50; ++now) EXPECT_EQ(schedule.due(now, 1 << 20), now + 100 * kMillisecond);
}

TEST(LinkSchedule, A_rate_spaces_bytes_that_enter_together) {
  LinkSchedule schedule({.rate = 1'000'000});
  uint64_t due = 0;
  for (int i = 0; i < 10; ++i) due = schedule.due(1, 100'000);
  EXPECT_NEAR(static_cast<double>(due), 1e9, 1e6);
  // After a pause the path owes nothing.
  EXPECT_EQ(schedule.due(5'000'000'000, 1000), 5'001'000'000u);
}

TEST(LinkSchedule, Jitter_delays_and_never_reorders) {
  LinkSchedule schedule({.delay_ns = kMillisecond, .jitter_ns = 10 * kMillisecond, .seed = 7});
  uint64_t last = 0, least = UINT64_MAX, most = 0;
  for (uint64_t now = 1; now < 1000 * kMillisecond; now += 20 * kMillisecond) {
    const uint64_t due = schedule.due(now, 100);
    EXPECT_GE(due, last);
    last = due;
    least = std::min(least, due - now);
    most = std::max(most, due - now);
  }
  EXPECT_GE(least, kMillisecond);
  EXPECT_LE(most, 11 * kMillisecond);
  EXPECT_GT(most, least + 2 * kMillisecond);
}

TEST(LinkSchedule, A_loss_stalls_the_stream_and_halves_its_rate_for_a_time) {
  LinkSchedule lossless({.delay_ns = 10 * kMillisecond, .rate = 10'000'000});
  LinkSchedule lossy({.delay_ns = 10 * kMillisecond, .rate = 10'000'000, .loss = 0.001, .seed = 3});
  uint64_t clean = 0, dirty = 0;
  for (int i = 0; i < 2000; ++i) {
    clean = lossless.due(1, 14480);
    dirty = lossy.due(1, 14480);
  }
  EXPECT_GT(lossy.losses(), 5u);
  EXPECT_LT(lossy.losses(), 60u);
  EXPECT_GT(dirty, clean + lossy.losses() * 20 * kMillisecond);
}

TEST(LinkSchedule, The_same_seed_gives_the_same_path) {
  const PathSettings settings{.delay_ns = 5, .jitter_ns = kMillisecond, .rate = 1'000'000, .loss = 0.01, .seed = 42};
  LinkSchedule one(settings), other(settings);
  PathSettings changed = settings;
  changed.seed = 43;
  LinkSchedule third(changed);
  bool differs = false;
  for (uint64_t now = 1; now < 500; ++now) {
    const uint64_t due = one.due(now, 5000);
    EXPECT_EQ(other.due(now, 5000), due);
    differs |= third.due(now, 5000) != due;
  }
  EXPECT_TRUE(differs);
}

TEST(LinkSchedule, A_stream_that_loses_all_the_time_still_moves) {
  LinkSchedule schedule({.delay_ns = kMillisecond, .rate = 1'000'000, .loss = 0.9, .seed = 1});
  uint64_t due = 0;
  for (int i = 0; i < 100; ++i) due = schedule.due(1, kSegment);
  // At the sixteenth of the rate, a timeout each.
  EXPECT_LT(due, 100 * (kLeastTimeout + 16 * kSegment * 1000ULL) + kMillisecond * 10);
}

}  // namespace
}  // namespace sluice::link
