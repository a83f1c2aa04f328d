// Overlap: the least of one run lies above the most of the other, or there is no change.
#include "apps/sluice/bench/compare.h"

#include <cmath>

namespace sluice::bench {

std::string_view name_of(Change change) {
  switch (change) {
    case Change::none: return "same";
    case Change::better: return "better";
    case Change::worse: return "WORSE";
    case Change::different: return "different";
    case Change::unsure: return "too few rounds";
    case Change::missing: return "gone";
    case Change::added: return "new";
  }
  return "";
}

Change change_of(const Measure& before, const Measure& after, double least_percent) {
  if (before.rounds.size() < kRoundsToJudge || after.rounds.size() < kRoundsToJudge) return Change::unsure;
  const Spread was = spread_of(before.rounds), is = spread_of(after.rounds);
  const bool higher = is.least > was.most, lower = is.most < was.least;
  if (!higher && !lower) return Change::none;
  if (std::fabs(is.median - was.median) * 100 < least_percent * std::fabs(was.median)) return Change::none;
  if (before.better == Better::neither) return Change::different;
  return higher == (before.better == Better::higher) ? Change::better : Change::worse;
}

std::vector<Comparison> compare_reports(const RunReport& before, const RunReport& after, double least_percent) {
  std::vector<Comparison> out;
  for (const Row& row : before.rows) {
    const Row* now = after.find(row.name);
    for (const Measure& measure : row.measures) {
      Comparison& to =
          out.emplace_back(Comparison{row.name, measure.name, measure.unit, spread_of(measure.rounds), {}});
      const Measure* other = now == nullptr ? nullptr : now->find(measure.name);
      if (other == nullptr) {
        to.change = Change::missing;
        continue;
      }
      to.after = spread_of(other->rounds);
      to.change = change_of(measure, *other, least_percent);
      if (to.before.median != 0) to.ratio = to.after.median / to.before.median;
    }
  }
  for (const Row& row : after.rows) {
    const Row* then = before.find(row.name);
    for (const Measure& measure : row.measures) {
      if (then != nullptr && then->find(measure.name) != nullptr) continue;
      out.push_back({row.name, measure.name, measure.unit, {}, spread_of(measure.rounds), Change::added});
    }
  }
  return out;
}

}  // namespace sluice::bench
