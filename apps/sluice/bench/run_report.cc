// The members of the JSON, in the order in which a reader wants them.
#include "apps/sluice/bench/run_report.h"

#include <algorithm>
#include <cmath>

#include "apps/json_writer.h"

namespace sluice::bench {
namespace {

constexpr uint64_t kFormat = 1;
// Of a result that is read: they are looked for by name.
constexpr size_t kMostRows = 100000, kMostMeasures = 200, kMostSettings = 1000;

void write_rounds(JsonWriter& json, const std::vector<double>& rounds) {
  const Spread spread = spread_of(rounds);
  json.number("median", spread.median).number("least", spread.least).number("most", spread.most);
  json.open_array("rounds");
  for (const double value : rounds) json.element(value);
  json.close_array();
}

void write_row(JsonWriter& json, const Row& row) {
  json.open_object().text("name", row.name);
  if (!row.skipped.empty()) json.text("skipped", row.skipped);
  json.open_array("measures");
  for (const Measure& measure : row.measures) {
    json.open_object().text("name", measure.name).text("unit", measure.unit).text("better", name_of(measure.better));
    write_rounds(json, measure.rounds);
    json.close_object();
  }
  json.close_array().close_object();
}

void write_plot(JsonWriter& json, const Plot& plot) {
  json.open_object().text("title", plot.title).text("x", plot.x_label).text("y", plot.y_label);
  if (!plot.groups.empty()) {
    json.open_array("groups");
    for (const std::string& group : plot.groups) json.element(group);
    json.close_array();
  }
  json.open_array("curves");
  for (const Curve& curve : plot.curves) {
    json.open_object().text("name", curve.name).open_array("points");
    for (const Point& point : curve.points) json.open_array().element(point.x).element(point.y).close_array();
    json.close_array().close_object();
  }
  json.close_array().close_object();
}

void write_verdict(JsonWriter& json, const Verdict& verdict) {
  json.open_object().text("what", verdict.what).number("value", verdict.value.value_or(std::nan("")));
  json.number(verdict.at_least ? "at_least" : "at_most", verdict.asked).truth("reached", verdict.reached());
  json.close_object();
}

Better better_named(std::string_view name) {
  for (const Better better : {Better::higher, Better::lower}) {
    if (name == name_of(better)) return better;
  }
  return Better::neither;
}

Row read_row(const JsonValue& value) {
  Row row{value["name"].string(), {}, value["skipped"].string()};
  for (const JsonValue& measure : value["measures"].items) {
    Measure& to =
        row.measure(measure["name"].string(), measure["unit"].string(), better_named(measure["better"].string()));
    for (const JsonValue& round : measure["rounds"].items) {
      if (round.kind == JsonValue::Kind::number) to.rounds.push_back(round.number);
    }
  }
  return row;
}

}  // namespace

std::string_view name_of(Better better) {
  return better == Better::higher ? "higher" : better == Better::lower ? "lower" : "neither";
}

Measure& Row::measure(std::string_view measure_name, std::string_view unit, Better better) {
  for (Measure& known : measures) {
    if (known.name == measure_name) return known;
  }
  return measures.emplace_back(Measure{std::string(measure_name), std::string(unit), better, {}});
}

const Measure* Row::find(std::string_view measure_name) const {
  const auto at = std::find_if(measures.begin(), measures.end(), [&](const auto& m) { return m.name == measure_name; });
  return at == measures.end() ? nullptr : &*at;
}

Row& RunReport::row(std::string_view row_name) {
  for (Row& known : rows) {
    if (known.name == row_name) return known;
  }
  return rows.emplace_back(Row{std::string(row_name), {}, {}});
}

const Row* RunReport::find(std::string_view row_name) const {
  const auto at = std::find_if(rows.begin(), rows.end(), [&](const Row& row) { return row.name == row_name; });
  return at == rows.end() ? nullptr : &*at;
}

bool RunReport::passed() const {
  return failures.empty() &&
         std::all_of(verdicts.begin(), verdicts.end(), [](const Verdict& v) { return v.reached(); });
}

std::string to_json(const RunReport& report) {
  JsonWriter json;
  json.open_object().text("program", "sluice bench").number("format", kFormat).text("kind", report.kind);
  json.text("began", report.began).number("seconds", report.seconds);
  write_machine(json, report.machine);
  json.open_object("settings");
  for (const auto& [name, value] : report.settings) json.text(name, value);
  json.close_object().open_array("rows");
  for (const Row& row : report.rows) write_row(json, row);
  json.close_array().open_array("ratios");
  for (const Ratio& ratio : report.ratios) {
    json.open_object().text("name", ratio.name);
    write_rounds(json, ratio.rounds);
    json.close_object();
  }
  json.close_array().open_array("plots");
  for (const Plot& plot : report.plots) write_plot(json, plot);
  json.close_array().open_array("limits");
  for (const Verdict& verdict : report.verdicts) write_verdict(json, verdict);
  json.close_array().open_array("remarks");
  for (const std::string& remark : report.remarks) json.element(remark);
  json.close_array().open_array("failures");
  for (const std::string& failure : report.failures) json.element(failure);
  json.close_array().truth("passed", report.passed()).close_object();
  return json.str() + "\n";
}

ResultOrText<RunReport> report_from_json(std::string_view text) {
  auto value = parse_json(text);
  if (!value) return fail("no JSON: " + value.error());
  if ((*value)["program"].string() != "sluice bench") return fail("no result of sluice bench");
  if ((*value)["format"].number != static_cast<double>(kFormat))
    return fail("a result of another version of sluice bench: run it again with this one");
  const auto& rows = (*value)["rows"].items;
  const auto large = [](const JsonValue& row) { return row["measures"].items.size() > kMostMeasures; };
  if (rows.size() > kMostRows || (*value)["settings"].members.size() > kMostSettings ||
      std::any_of(rows.begin(), rows.end(), large))
    return fail("more rows, figures or settings than a result of sluice bench has");
  RunReport report;
  report.kind = (*value)["kind"].string();
  report.began = (*value)["began"].string();
  report.seconds = (*value)["seconds"].number;
  report.machine = read_machine((*value)["machine"]);
  for (const auto& [name, setting] : (*value)["settings"].members) report.settings.emplace_back(name, setting.string());
  for (const JsonValue& failure : (*value)["failures"].items) report.failures.push_back(failure.string());
  for (const JsonValue& row : rows) report.rows.push_back(read_row(row));
  return report;
}

}  // namespace sluice::bench
