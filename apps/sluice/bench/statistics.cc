// Sorting and counting.
#include "apps/sluice/bench/statistics.h"

#include <algorithm>
#include <cmath>

namespace sluice::bench {

Spread spread_of(std::span<const double> values) {
  if (values.empty()) return {};
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const size_t middle = sorted.size() / 2;
  const double median = sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return {median, sorted.front(), sorted.back()};
}

std::vector<double> ratios_of(std::span<const double> numerators, std::span<const double> denominators) {
  std::vector<double> out;
  for (size_t i = 0; i < std::min(numerators.size(), denominators.size()); ++i) {
    if (denominators[i] != 0) out.push_back(numerators[i] / denominators[i]);
  }
  return out;
}

double quantile_of(std::span<const double> sorted, double share) {
  if (sorted.empty()) return 0;
  const double rank = std::ceil(share * static_cast<double>(sorted.size()));
  const auto at = static_cast<size_t>(std::max(rank, 1.0)) - 1;
  return sorted[std::min(at, sorted.size() - 1)];
}

std::vector<Point> distribution_of(std::vector<double> values, size_t points) {
  std::sort(values.begin(), values.end());
  std::vector<Point> out;
  const size_t n = values.size();
  for (size_t i = 1; i <= std::min(points, n); ++i) {
    const size_t count = i * n / std::min(points, n);
    out.push_back({values[count - 1], static_cast<double>(count) / static_cast<double>(n)});
  }
  return out;
}

double fairness_of(std::span<const double> values) {
  double sum = 0, squares = 0;
  for (const double value : values) sum += value, squares += value * value;
  return squares == 0 ? 1 : sum * sum / (static_cast<double>(values.size()) * squares);
}

}  // namespace sluice::bench
