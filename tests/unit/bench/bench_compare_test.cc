// When a figure changed and when it is noise.
#include <gtest/gtest.h>

#include "apps/sluice/bench/compare.h"

namespace sluice::bench {
namespace {

Measure rate(std::vector<double> rounds) { return {"throughput", "GB/s", Better::higher, std::move(rounds)}; }
Measure time(std::vector<double> rounds) { return {"time", "s", Better::lower, std::move(rounds)}; }

TEST(BenchCompare, Rounds_that_overlap_are_the_same) {
  EXPECT_EQ(change_of(rate({1, 2, 3}), rate({3, 4, 5}), 0), Change::none);
  EXPECT_EQ(change_of(rate({1, 2, 9}), rate({3, 4, 5}), 0), Change::none);
}

TEST(BenchCompare, Rounds_that_lie_apart_are_a_change_whose_sense_is_the_figures) {
  EXPECT_EQ(change_of(rate({1, 2, 3}), rate({4, 5, 6}), 0), Change::better);
  EXPECT_EQ(change_of(rate({4, 5, 6}), rate({1, 2, 3}), 0), Change::worse);
  EXPECT_EQ(change_of(time({4, 5, 6}), time({1, 2, 3}), 0), Change::better);
  EXPECT_EQ(change_of(time({1, 2, 3}), time({4, 5, 6}), 0), Change::worse);
  const Measure neither{"records", "", Better::neither, {1, 2, 3}}, more{"records", "", Better::neither, {4, 5, 6}};
  EXPECT_EQ(change_of(neither, more, 0), Change::different);
}

TEST(BenchCompare, Two_rounds_tell_nothing) {
  EXPECT_EQ(change_of(rate({1, 1}), rate({5, 5, 5}), 0), Change::unsure);
  EXPECT_EQ(change_of(rate({1, 1, 1}), rate({5}), 0), Change::unsure);
}

TEST(BenchCompare, Differences_below_what_was_asked_for_are_none) {
  EXPECT_EQ(change_of(rate({100, 100, 100}), rate({101, 101, 101}), 2), Change::none);
  EXPECT_EQ(change_of(rate({100, 100, 100}), rate({101, 101, 101}), 0.5), Change::better);
}

TEST(BenchCompare, What_is_gone_and_what_is_new_is_said) {
  RunReport before, after;
  before.rows = {{"a", {rate({1, 2, 3}), time({1, 2, 3})}, ""}, {"b", {rate({1, 2, 3})}, ""}};
  after.rows = {{"a", {rate({7, 8, 9})}, ""}, {"c", {rate({1, 2, 3})}, ""}};
  const auto rows = compare_reports(before, after, 0);
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[0].change, Change::better);
  EXPECT_DOUBLE_EQ(rows[0].ratio, 4);
  EXPECT_EQ(rows[1].change, Change::missing);
  EXPECT_EQ(rows[2].row, "b");
  EXPECT_EQ(rows[2].change, Change::missing);
  EXPECT_EQ(rows[3].row, "c");
  EXPECT_EQ(rows[3].change, Change::added);
}

}  // namespace
}  // namespace sluice::bench
