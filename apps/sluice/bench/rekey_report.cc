// Rows, plots and limits of rekeys, from what each phase gave.
#include <algorithm>
#include <optional>

#include "apps/sluice/bench/figures.h"
#include "apps/sluice/bench/rekey_plan.h"
#include "base/plain_text.h"

namespace sluice::bench {
namespace {

constexpr size_t kPlotPoints = 4000;
constexpr double kMib = 1024.0 * 1024;

std::vector<double> heights(const std::vector<Point>& points) {
  std::vector<double> out;
  for (const Point& point : points) out.push_back(point.y);
  std::sort(out.begin(), out.end());
  return out;
}

void add_quantiles(Row& row, const std::string& what, const std::vector<double>& sorted) {
  const auto add = [&](const char* which, double share) {
    row.measure(what + " " + which, "ms", Better::lower).rounds.push_back(quantile_of(sorted, share));
  };
  if (sorted.empty()) return;
  add("p50", 0.5);
  add("p99", 0.99);
  add("p99.9", 0.999);
  add("max", 1);
}

void note(const RekeyPlan& plan, const PhaseOutcome& outcome, bool rekeys, Row& row) {
  const auto add = [&](const char* name, const char* unit, Better better, double value) {
    row.measure(name, unit, better).rounds.push_back(value);
  };
  add("throughput", "GB/s", Better::higher, outcome.bytes / outcome.seconds / 1e9);
  if (rekeys) {
    add("rekeys", "", Better::neither, static_cast<double>(outcome.rekeys));
    add("rekey rate", "1/s", Better::higher, static_cast<double>(outcome.rekeys) / outcome.seconds);
  }
  add_quantiles(row, rekeys ? "pause" : "longest gap", heights(outcome.pauses));
  std::vector<double> delays = outcome.neighbour_delays;
  std::sort(delays.begin(), delays.end());
  add_quantiles(row, "neighbour", delays);
  add("errors", "", Better::lower, static_cast<double>(outcome.errors));
  add("turned away", "", Better::lower, static_cast<double>(outcome.turned_away));
  add("client CPU", "cores", Better::lower, outcome.client_cpu / outcome.seconds);
  add("client memory", "MiB", Better::lower, outcome.client_bytes / kMib);
  if (outcome.server_bytes == 0) return;
  add("server CPU", "cores", Better::lower, outcome.server_cpu / outcome.seconds);
  add("server memory", "MiB", Better::lower, outcome.server_bytes / kMib);
  add("server memory a session", "KiB", Better::lower,
      outcome.server_bytes / 1024 / static_cast<double>(plan.sessions + plan.neighbours));
}

Curve distribution(const std::string& name, const std::vector<double>& values) {
  return {name, distribution_of(values, 200)};
}

// What a plot has room for: all of the longest, and of the others some.
std::vector<Point> thinned(std::vector<Point> points) {
  if (points.size() <= kPlotPoints) return points;
  const auto middle = points.begin() + kPlotPoints / 2;
  std::nth_element(points.begin(), middle, points.end(), [](const Point& a, const Point& b) { return a.y > b.y; });
  std::vector<Point> out(points.begin(), middle);
  const size_t rest = points.size() - kPlotPoints / 2, step = rest / (kPlotPoints / 2) + 1;
  for (size_t i = 0; i < rest; i += step) out.push_back(points[kPlotPoints / 2 + i]);
  return out;
}

void add_plots(const PhaseOutcome* calm, const PhaseOutcome& storm, RunReport& report) {
  Plot time{"pauses of rekeys over time", "s", "ms", PlotStyle::points, false, {}, {}};
  time.curves = {{"pause", thinned(storm.pauses)}};
  report.plots.push_back(std::move(time));
  Plot share{"distribution of pauses", "ms", "share", PlotStyle::lines, true, {}, {}};
  if (calm != nullptr) share.curves.push_back(distribution("longest gap without rekeys", heights(calm->pauses)));
  share.curves.push_back(distribution("pause of a rekey", heights(storm.pauses)));
  report.plots.push_back(std::move(share));
  Plot delays{"a neighbour's answers", "ms", "share", PlotStyle::lines, true, {}, {}};
  if (calm != nullptr) delays.curves.push_back(distribution("without rekeys", calm->neighbour_delays));
  delays.curves.push_back(distribution("with rekeys", storm.neighbour_delays));
  report.plots.push_back(std::move(delays));
  Plot split{"CPU split", "", "cores", PlotStyle::bars, false, {}, {"client", "server"}};
  split.curves.push_back(
      {"with rekeys", {{0, storm.client_cpu / storm.seconds}, {1, storm.server_cpu / storm.seconds}}});
  report.plots.push_back(std::move(split));
}

std::optional<double> median(const RunReport& report, std::string_view name) {
  const Row* row = report.find("with rekeys");
  const Measure* measure = row == nullptr ? nullptr : row->find(name);
  return measure == nullptr ? std::nullopt : std::optional(spread_of(measure->rounds).median);
}

void add_verdicts(const RekeyPlan& plan, RunReport& report) {
  const auto add = [&](const char* what, std::optional<double> value, double asked, bool at_least) {
    if (asked >= 0) report.verdicts.push_back({what, value, asked, at_least});
  };
  std::optional<double> errors, share;
  for (const Row& row : report.rows) {
    const Measure* measure = row.find("errors");
    if (measure != nullptr) errors = std::max(errors.value_or(0), spread_of(measure->rounds).most);
  }
  for (const Ratio& ratio : report.ratios) share = spread_of(ratio.rounds).median;
  add("errors", errors, 0, false);
  add("rekeys a second", median(report, "rekey rate"), plan.asked.least_rekeys, true);
  add("pause p99, ms", median(report, "pause p99"), plan.asked.most_pause_p99, false);
  add("longest pause, ms", median(report, "pause max"), plan.asked.most_pause, false);
  add("neighbour's answer p99, ms", median(report, "neighbour p99"), plan.asked.most_neighbour_p99, false);
  add("throughput, GB/s", median(report, "throughput"), plan.asked.least_rate, true);
  add("server's memory a session, KiB", median(report, "server memory a session"), plan.asked.most_server_kib, false);
  add("throughput with : without rekeys", share, plan.asked.least_share, true);
}

void remark_once(RunReport& report, const std::string& remark) {
  const auto same = [&](const std::string& one) { return one == remark; };
  if (std::none_of(report.remarks.begin(), report.remarks.end(), same)) report.remarks.push_back(remark);
}

// What is no error, but no answer to all that was asked either.
void remark_on(const PhaseOutcome& outcome, const Row& row, RunReport& report) {
  if (!outcome.lacking.empty())
    remark_once(report, "left out of the mix, since the server has not: " + terminal_text(join(outcome.lacking, ", ")));
  if (outcome.turned_away > 0)
    remark_once(report, row.name + ": the server turned logins away for load " + std::to_string(outcome.turned_away) +
                            " times; these came again, and none of it is an error of a session");
}

// A round of both phases; false: it could not be had, and no other need be tried.
bool measure_round(const RekeyPlan& plan, bool last, RunReport& report, LiveView& view) {
  std::optional<PhaseOutcome> calm;
  for (const bool rekeys : {false, true}) {
    if (!rekeys && plan.calm_seconds == 0) continue;
    auto outcome = run_phase(plan, rekeys, view);
    if (!outcome) {
      report.failures.push_back(terminal_text(outcome.error()));
      return false;
    }
    Row& row = report.row(rekeys ? "with rekeys" : "without rekeys");
    note(plan, *outcome, rekeys, row);
    view.step(row.name, row.find("throughput")->rounds.back(), "GB/s");
    remark_on(*outcome, row, report);
    if (outcome->errors > 0) {
      report.failures.push_back(std::to_string(outcome->errors) + " sessions failed " + row.name + "; " +
                                log_text(outcome->trouble));
    }
    if (rekeys && outcome->rekeys == 0) report.failures.emplace_back("no key was renewed at all");
    if (rekeys && last) add_plots(calm ? &*calm : nullptr, *outcome, report);
    if (!rekeys) calm = std::move(*outcome);
  }
  return true;
}

}  // namespace

void measure_rekeys(const RekeyPlan& plan, RunReport& report, LiveView& view) {
  const bool calm_too = plan.calm_seconds > 0;
  view.begin("sluice bench rekey: " + std::to_string(plan.sessions) + " sessions", plan.rounds * (calm_too ? 2 : 1));
  for (uint64_t round = 0; round < plan.rounds; ++round) {
    if (!measure_round(plan, round + 1 == plan.rounds, report, view)) break;
  }
  const Row *storm = report.find("with rekeys"), *calm = report.find("without rekeys");
  if (storm != nullptr && calm != nullptr) {
    report.ratios.push_back({"throughput with : without rekeys",
                             ratios_of(storm->find("throughput")->rounds, calm->find("throughput")->rounds)});
  }
  add_verdicts(plan, report);
}

}  // namespace sluice::bench
