// Names of cases, ratios round by round, plots.
#include "apps/sluice/bench/transfer_matrix.h"

#include <algorithm>
#include <cmath>

#include "apps/sluice/bench/figures.h"

namespace sluice::bench {
namespace {

// No number where there is none.
double median_of(const RunReport& report, const std::string& row, std::string_view measure) {
  const Row* found = report.find(row);
  const Measure* figures = found == nullptr ? nullptr : found->find(measure);
  return figures == nullptr ? std::nan("") : spread_of(figures->rounds).median;
}

std::string row_name(const TransferCase& one, const TransferPlan::Contestant& who) {
  return one.name() + " " + who.name();
}

void add_ratio(RunReport& report, const std::string& name, const Measure* ours, const Measure* theirs) {
  if (ours == nullptr || theirs == nullptr) return;
  Ratio ratio{name, ratios_of(ours->rounds, theirs->rounds)};
  if (!ratio.rounds.empty()) report.ratios.push_back(std::move(ratio));
}

void add_ratios(const TransferPlan& plan, RunReport& report) {
  const auto& reference = plan.contestants[plan.reference];
  for (const TransferCase& one : cases_of(plan)) {
    const Row* theirs = report.find(row_name(one, reference));
    for (const auto& who : plan.contestants) {
      const Row* ours = report.find(row_name(one, who));
      if (&who == &reference || ours == nullptr || theirs == nullptr) continue;
      const std::string pair = one.name() + ", " + who.name() + " : " + reference.name() + ", ";
      for (const std::string_view figure : {"throughput", "CPU of both ends", "client CPU", "server CPU"})
        add_ratio(report, pair + std::string(figure), ours->find(figure), theirs->find(figure));
    }
  }
}

void plot_by_size(const TransferPlan& plan, RunReport& report, const TransferCase& first) {
  Plot plot{"throughput by file size: " + std::string(name_of(first.way)) + " " + first.suite->name,
            "file size, MiB",
            "GB/s",
            PlotStyle::lines,
            true,
            {},
            {}};
  for (const auto& who : plan.contestants) {
    Curve curve{who.name(), {}};
    for (const TransferCase& one : cases_of(plan)) {
      if (one.way != first.way || one.suite != first.suite || one.streams != first.streams) continue;
      const double rate = median_of(report, row_name(one, who), "throughput");
      if (rate > 0) curve.points.push_back({static_cast<double>(one.size) / (1 << 20), rate});
    }
    plot.curves.push_back(std::move(curve));
  }
  report.plots.push_back(std::move(plot));
}

// A group for each case, a bar for each contestant.
void plot_bars(const TransferPlan& plan, RunReport& report, const char* title, const char* unit,
               std::string_view measure) {
  Plot plot{title, "", unit, PlotStyle::bars, false, {}, {}};
  bool any = false;
  const auto cases = cases_of(plan);
  for (const TransferCase& one : cases) plot.groups.push_back(one.name());
  for (const auto& who : plan.contestants) {
    Curve curve{who.name(), {}};
    for (const TransferCase& one : cases)
      curve.points.push_back(
          {static_cast<double>(curve.points.size()), median_of(report, row_name(one, who), measure)});
    any |= std::any_of(curve.points.begin(), curve.points.end(), [](const Point& p) { return std::isfinite(p.y); });
    plot.curves.push_back(std::move(curve));
  }
  if (any) report.plots.push_back(std::move(plot));
}

}  // namespace

std::string TransferCase::name() const {
  std::string text = std::string(name_of(way)) + " " + suite->name + " ";
  if (files > 1) text += std::to_string(files) + "x";
  return text + size_text(size) + (streams > 1 ? " x" + std::to_string(streams) : "");
}

std::vector<TransferCase> cases_of(const TransferPlan& plan) {
  std::vector<TransferCase> out;
  for (const TransferSuite& suite : plan.suites) {
    for (const uint64_t size : plan.sizes) {
      for (const uint64_t streams : plan.streams) {
        for (const Way way : plan.ways) out.push_back({way, &suite, size, plan.files, streams});
      }
    }
  }
  return out;
}

void conclude_transfers(const TransferPlan& plan, RunReport& report) {
  add_ratios(plan, report);
  if (plan.sizes.size() > 1) {
    for (const TransferSuite& suite : plan.suites) {
      for (const Way way : plan.ways)
        plot_by_size(plan, report, {way, &suite, plan.sizes.front(), plan.files, plan.streams.front()});
    }
  }
  plot_bars(plan, report, "throughput", "GB/s", "throughput");
  plot_bars(plan, report, "CPU split: the client's part", "CPU s/GiB", "client CPU");
  plot_bars(plan, report, "CPU split: the server's part", "CPU s/GiB", "server CPU");
}

}  // namespace sluice::bench
