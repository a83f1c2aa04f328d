// Overlap: the least of one run lies above the most of the other, or there is no change.
#include "apps/sluice/bench/compare.h"

#include <cmath>
#include <unordered_map>

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

namespace {

using RowsByName = std::unordered_map<std::string_view, const Row*>;

RowsByName by_name(const RunReport& report) {
  RowsByName rows;
  for (const Row& row : report.rows) rows.emplace(row.name, &row);
  return rows;
}

const Row* found(const RowsByName& rows, std::string_view name) {
  const auto at = rows.find(name);
  return at == rows.end() ? nullptr : at->second;
}

}  // namespace

std::vector<Comparison> compare_reports(const RunReport& before, const RunReport& after, double least_percent) {
  std::vector<Comparison> out;
  const RowsByName was = by_name(before), is = by_name(after);
  for (const Row& row : before.rows) {
    const Row* now = found(is, row.name);
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
    const Row* then = found(was, row.name);
    for (const Measure& measure : row.measures) {
      if (then != nullptr && then->find(measure.name) != nullptr) continue;
      out.push_back({row.name, measure.name, measure.unit, {}, spread_of(measure.rounds), Change::added});
    }
  }
  return out;
}

}  // namespace sluice::bench
