// What is said of several rounds of one figure: median, least and most; ratios round by round; quantiles of many times.
#pragma once

#include <span>
#include <vector>

namespace sluice::bench {

struct Spread {
  double median = 0, least = 0, most = 0;
};

// Of nothing, all zeros. The median of an even number is the mean of the middle two.
Spread spread_of(std::span<const double> values);

// Round by round, as many as both have. A round whose divisor is zero has no ratio.
std::vector<double> ratios_of(std::span<const double> numerators, std::span<const double> denominators);

// The smallest value that at least that share of all values reaches; 0 of nothing. The values are sorted.
double quantile_of(std::span<const double> sorted, double share);

struct Point {
  double x, y;
};
// The cumulative distribution in at most so many points: x the value, y the share of values up to it.
std::vector<Point> distribution_of(std::vector<double> values, size_t points);

// Jain's fairness index: 1 where all have the same, 1/n where one has everything.
double fairness_of(std::span<const double> values);

}  // namespace sluice::bench
