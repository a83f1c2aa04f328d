// Medians, quantiles, ratios and sizes against answers that were worked out by hand.
#include <gtest/gtest.h>

#include "apps/sluice/bench/figures.h"
#include "apps/sluice/bench/statistics.h"

namespace sluice::bench {
namespace {

TEST(BenchStatistics, Median_of_an_odd_number_is_the_middle_one) {
  const Spread spread = spread_of(std::vector<double>{5, 1, 9});
  EXPECT_EQ(spread.median, 5);
  EXPECT_EQ(spread.least, 1);
  EXPECT_EQ(spread.most, 9);
}

TEST(BenchStatistics, Median_of_an_even_number_lies_between_the_middle_two) {
  EXPECT_EQ(spread_of(std::vector<double>{4, 1, 3, 100}).median, 3.5);
}

TEST(BenchStatistics, Spread_of_nothing_is_zero) {
  const Spread spread = spread_of({});
  EXPECT_EQ(spread.median + spread.least + spread.most, 0);
}

TEST(BenchStatistics, Ratios_pair_the_rounds_and_leave_out_what_divides_by_zero) {
  EXPECT_EQ(ratios_of(std::vector<double>{2, 6, 8}, std::vector<double>{1, 0, 4, 5}), (std::vector<double>{2, 2}));
}

TEST(BenchStatistics, Quantile_is_the_smallest_value_that_enough_values_reach) {
  std::vector<double> values;
  for (int i = 1; i <= 1000; ++i) values.push_back(i);
  EXPECT_EQ(quantile_of(values, 0.5), 500);
  EXPECT_EQ(quantile_of(values, 0.99), 990);
  EXPECT_EQ(quantile_of(values, 0.999), 999);
  EXPECT_EQ(quantile_of(values, 1), 1000);
  EXPECT_EQ(quantile_of(values, 0), 1);
  EXPECT_EQ(quantile_of({}, 0.5), 0);
  EXPECT_EQ(quantile_of(std::vector<double>{7}, 0.001), 7);
}

TEST(BenchStatistics, Distribution_ends_at_the_largest_value_and_at_one) {
  std::vector<double> values;
  for (int i = 1000; i > 0; --i) values.push_back(i);
  const auto points = distribution_of(values, 10);
  ASSERT_EQ(points.size(), 10u);
  EXPECT_EQ(points.front().x, 100);
  EXPECT_DOUBLE_EQ(points.front().y, 0.1);
  EXPECT_EQ(points.back().x, 1000);
  EXPECT_EQ(points.back().y, 1);
  EXPECT_EQ(distribution_of({3, 1}, 10).size(), 2u);
  EXPECT_TRUE(distribution_of({}, 10).empty());
}

TEST(BenchStatistics, Fairness_is_one_for_equals_and_a_part_of_it_where_one_has_everything) {
  EXPECT_DOUBLE_EQ(fairness_of(std::vector<double>{3, 3, 3, 3}), 1);
  EXPECT_DOUBLE_EQ(fairness_of(std::vector<double>{8, 0, 0, 0}), 0.25);
  EXPECT_EQ(fairness_of({}), 1);
}

TEST(BenchFigures, Sizes_are_read_by_powers_of_1024_and_written_alike) {
  EXPECT_EQ(parse_size("64"), 64u);
  EXPECT_EQ(parse_size("4k"), 4096u);
  EXPECT_EQ(parse_size("1G"), uint64_t{1} << 30);
  EXPECT_EQ(size_text(uint64_t{3} << 20), "3M");
  EXPECT_EQ(size_text(1000), "1000");
  for (const char* wrong : {"", "0", "-1", "1X", "G", "1Gi", "17T", "99999999999999999999", "1 M"})
    EXPECT_FALSE(parse_size(wrong)) << wrong;
}

TEST(BenchFigures, Numbers_have_three_digits_that_count) {
  EXPECT_EQ(figure(0), "0");
  EXPECT_EQ(figure(12), "12");
  EXPECT_EQ(figure(1234.6), "1235");
  EXPECT_EQ(figure(123.46), "123.5");
  EXPECT_EQ(figure(1.2345), "1.23");
  EXPECT_EQ(figure(0.12345), "0.123");
  EXPECT_EQ(figure(0.00032), "0.00032");
}

TEST(BenchFigures, Counts_outside_of_their_limits_are_refused) {
  EXPECT_EQ(parse_count("7", 1, 10), 7u);
  for (const char* wrong : {"0", "11", "", "7x", "-3"}) EXPECT_FALSE(parse_count(wrong, 1, 10)) << wrong;
  EXPECT_EQ(parse_decimal("2.5", 0, 10), 2.5);
  for (const char* wrong : {"10.5", "nan", "1e", ""}) EXPECT_FALSE(parse_decimal(wrong, 0, 10)) << wrong;
}

}  // namespace
}  // namespace sluice::bench
