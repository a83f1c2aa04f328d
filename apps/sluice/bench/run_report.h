// RunReport: everything that one run of sluice bench measured, where, and by which settings; written and read as JSON.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apps/sluice/bench/json_reader.h"
#include "apps/sluice/bench/machine.h"
#include "apps/sluice/bench/statistics.h"

namespace sluice::bench {

enum class Better : uint8_t { higher, lower, neither };

// One figure, once a round.
struct Measure {
  std::string name;
  std::string unit;
  Better better = Better::neither;
  std::vector<double> rounds;
};

struct Row {
  std::string name;  // unique in a report: what compare goes by
  std::vector<Measure> measures;
  std::string skipped;  // why there are none

  // Makes it where it is not there yet.
  Measure& measure(std::string_view measure_name, std::string_view unit, Better better);
  const Measure* find(std::string_view measure_name) const;
};

// A figure of a row over that of another, round by round.
struct Ratio {
  std::string name;
  std::vector<double> rounds;
};

struct Curve {
  std::string name;
  std::vector<Point> points;
};
enum class PlotStyle : uint8_t { lines, points, bars };
struct Plot {
  std::string title;
  std::string x_label, y_label;
  PlotStyle style = PlotStyle::lines;
  bool logarithmic_x = false;
  std::vector<Curve> curves;
  // Of bars: the names of the groups; a curve's points are one for each.
  std::vector<std::string> groups = {};
};

// What was asked for on the command line, and whether it was so.
struct Verdict {
  std::string what;
  std::optional<double> value;  // nothing: there was no such figure, and a limit of it is missed
  double asked;
  bool at_least;
  bool reached() const { return value && (at_least ? *value >= asked : *value <= asked); }
};

struct RunReport {
  std::string kind;  // transfer, rekey, linerate, sessions
  std::string began;
  double seconds = 0;
  MachineFacts machine;
  std::vector<std::pair<std::string, std::string>> settings;
  std::vector<Row> rows;
  std::vector<Ratio> ratios;
  std::vector<Plot> plots;
  std::vector<Verdict> verdicts;
  std::vector<std::string> remarks;
  // What went wrong, wrong bytes above all.
  std::vector<std::string> failures;
  // On a terminal a line a row: of rows that are many.
  bool compact = false;

  Row& row(std::string_view name);
  const Row* find(std::string_view name) const;
  bool passed() const;
};

std::string to_json(const RunReport& report);
// What compare needs of it: kind, machine, settings, rows and failures.
ResultOrText<RunReport> report_from_json(std::string_view text);

std::string_view name_of(Better better);

}  // namespace sluice::bench
