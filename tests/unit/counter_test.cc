// Histograms of times, and the clock that tests move.
#include "base/counter.h"

#include <gtest/gtest.h>

#include "base/clock.h"

namespace sluice {
namespace {

TEST(LatencyHistogram, Every_time_lies_below_the_end_of_its_bucket_and_not_below_the_one_before) {
  for (uint64_t ns = 0; ns < 5000; ++ns) {
    const size_t bucket = LatencyHistogram::bucket_of(ns);
    ASSERT_LT(ns, LatencyHistogram::bucket_end(bucket)) << ns;
    ASSERT_TRUE(bucket == 0 || ns >= LatencyHistogram::bucket_end(bucket - 1)) << ns;
  }
  EXPECT_EQ(LatencyHistogram::bucket_of(~uint64_t{0}), LatencyHistogram::kBuckets - 1);
}

TEST(LatencyHistogram, Buckets_are_at_most_a_quarter_wide) {
  for (size_t i = LatencyHistogram::kPerDoubling; i < LatencyHistogram::kBuckets; ++i) {
    const auto begin = static_cast<double>(LatencyHistogram::bucket_end(i - 1));
    const auto end = static_cast<double>(LatencyHistogram::bucket_end(i));
    ASSERT_LE(end, begin * 1.26) << i;
  }
}

TEST(LatencyHistogram, Percentiles_come_from_the_right_bucket) {
  LatencyHistogram histogram;
  EXPECT_EQ(histogram.percentile(50), 0u);
  histogram.add(1000, 99);
  histogram.add(100'000);
  EXPECT_EQ(histogram.total(), 100u);
  EXPECT_GE(histogram.percentile(50), 1000u);
  EXPECT_LT(histogram.percentile(99), 1300u);
  EXPECT_GE(histogram.percentile(100), 100'000u);
}

TEST(ManualClock, Moves_only_when_told_or_by_its_step) {
  ManualClock still;
  const uint64_t start = still.now_ns();
  EXPECT_EQ(still.now_ns(), start);
  still.advance(5);
  EXPECT_EQ(still.now_ns(), start + 5);
  ManualClock stepping(10);
  const uint64_t first = stepping.now_ns();
  EXPECT_EQ(stepping.now_ns(), first + 10);
}

}  // namespace
}  // namespace sluice
