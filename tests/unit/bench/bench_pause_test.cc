// What a session's pauses are taken to be, from when its data came.
#include <gtest/gtest.h>

#include "apps/sluice/bench/load_crowd.h"
#include "base/clock.h"

namespace sluice::bench {
namespace {

constexpr uint64_t kMs = 1000000;

TEST(BenchPauses, A_session_that_died_has_a_pause_until_the_end) {
  const uint64_t since = monotonic_clock().now_ns();
  Member member;
  note_data(member, 1, since, {});
  note_end(member, since, member.last_ns + 700 * kMs);
  ASSERT_EQ(member.pauses.size(), 1u);
  EXPECT_NEAR(member.pauses[0].y, 700, 0.001);
}

TEST(BenchPauses, A_session_that_had_no_data_at_all_pauses_all_the_time) {
  Member member;
  note_end(member, 1000 * kMs, 1500 * kMs);
  ASSERT_EQ(member.pauses.size(), 1u);
  EXPECT_DOUBLE_EQ(member.pauses[0].y, 500);
}

TEST(BenchPauses, The_stretch_under_way_counts_only_where_its_gap_is_the_longest) {
  Member member;
  member.last_ns = 900 * kMs;
  member.longest_ns = 20 * kMs;
  member.pauses = {{0.1, 30}};
  note_end(member, 100 * kMs, 0);
  EXPECT_EQ(member.pauses.size(), 1u);
  member.longest_ns = 40 * kMs;
  note_end(member, 100 * kMs, 0);
  ASSERT_EQ(member.pauses.size(), 2u);
  EXPECT_DOUBLE_EQ(member.pauses[1].x, 0.8);
  EXPECT_DOUBLE_EQ(member.pauses[1].y, 40);
}

}  // namespace
}  // namespace sluice::bench
