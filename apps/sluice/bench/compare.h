// What changed between two runs beyond the noise: figures whose rounds do not overlap.
#pragma once

#include "apps/sluice/bench/run_report.h"

namespace sluice::bench {

enum class Change : uint8_t {
  none,  // the rounds overlap, or differ by less than was asked to be told
  better,
  worse,
  different,  // of a figure that is neither better high nor low
  unsure,     // too few rounds to tell noise from change
  missing,    // in the old run only
  added,      // in the new one only
};

struct Comparison {
  std::string row;
  std::string measure;
  std::string unit;
  Spread before, after;
  Change change = Change::none;
  double ratio = 0;  // of the medians, new : old
};

// Rounds that a figure needs on either side before it can have changed.
inline constexpr size_t kRoundsToJudge = 3;

// `least_percent`: medians closer to each other are no change.
std::vector<Comparison> compare_reports(const RunReport& before, const RunReport& after, double least_percent);
Change change_of(const Measure& before, const Measure& after, double least_percent);
std::string_view name_of(Change change);

}  // namespace sluice::bench
