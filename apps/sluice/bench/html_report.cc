// Tables first, then plots, then the machine.
#include "apps/sluice/bench/html_report.h"

#include <cstdio>

#include "apps/sluice/bench/figures.h"
#include "apps/sluice/bench/svg_plots.h"

namespace sluice::bench {
namespace {

constexpr std::string_view kHead = R"(<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body{font:15px/1.45 system-ui,sans-serif;color:#1c1e21;max-width:72rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;margin:.5rem 0 1.5rem}th,td{padding:.25rem .7rem;border-bottom:1px solid #d8dce0;text-align:left}
td.n{text-align:right;font-variant-numeric:tabular-nums}td.s{color:#667}th{background:#f2f4f6}
.short{color:#b00020;font-weight:600}.fine{color:#146c2e}svg{max-width:100%;height:auto}code{word-break:break-word}
</style>
)";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out.push_back(c);
    }
  }
  return out;
}

std::string cell(std::string_view text, const char* kind = "") {
  return std::string("<td") + (*kind ? std::string(" class=\"") + kind + "\"" : "") + ">" + escaped(text) + "</td>";
}

void add_rows(std::string& out, const RunReport& report) {
  out +=
      "<h2>Figures</h2><table><tr><th>what</th><th>figure</th><th>median</th><th>least</th><th>most</th><th>unit</th>"
      "<th>rounds</th></tr>\n";
  for (const Row& row : report.rows) {
    if (!row.skipped.empty()) {
      out +=
          "<tr>" + cell(row.name) + "<td class=\"s\" colspan=\"6\">left out: " + escaped(row.skipped) + "</td></tr>\n";
    }
    for (const Measure& measure : row.measures) {
      const Spread spread = spread_of(measure.rounds);
      out += "<tr>" + cell(row.name) + cell(measure.name) + cell(figure(spread.median), "n") +
             cell(figure(spread.least), "n") + cell(figure(spread.most), "n") + cell(measure.unit) +
             cell(std::to_string(measure.rounds.size()), "n") + "</tr>\n";
    }
  }
  out += "</table>\n";
}

void add_ratios(std::string& out, const RunReport& report) {
  if (report.ratios.empty()) return;
  out +=
      "<h2>Ratios, round by round</h2><table><tr><th>what</th><th>median</th><th>least</th><th>most</th>"
      "<th>rounds</th></tr>\n";
  for (const Ratio& ratio : report.ratios) {
    const Spread spread = spread_of(ratio.rounds);
    std::string all;
    for (const double value : ratio.rounds) all += (all.empty() ? "" : " ") + figure(value);
    out += "<tr>" + cell(ratio.name) + cell(figure(spread.median), "n") + cell(figure(spread.least), "n") +
           cell(figure(spread.most), "n") + cell(all, "s") + "</tr>\n";
  }
  out += "</table>\n";
}

void add_verdicts(std::string& out, const RunReport& report) {
  if (report.verdicts.empty()) return;
  out += "<h2>Limits</h2><table><tr><th>what</th><th>measured</th><th>asked</th><th></th></tr>\n";
  for (const Verdict& verdict : report.verdicts) {
    out += "<tr>" + cell(verdict.what) + cell(verdict.value ? figure(*verdict.value) : "not measured", "n") +
           cell((verdict.at_least ? "at least " : "at most ") + figure(verdict.asked)) +
           cell(verdict.reached() ? "reached" : "missed", verdict.reached() ? "fine" : "short") + "</tr>\n";
  }
  out += "</table>\n";
}

void add_plots(std::string& out, const RunReport& report) {
  if (report.plots.empty()) return;
  const std::string gnuplot = gnuplot_program();
  out += "<h2>Plots</h2>\n";
  if (gnuplot.empty()) {
    out +=
        "<p>gnuplot is not installed here (Debian package gnuplot-nox), so there are no plots; the JSON file has "
        "their points.</p>\n";
    return;
  }
  for (const Plot& plot : report.plots) {
    if (const auto svg = draw(gnuplot, plot)) {
      out += "<figure>" + *svg + "</figure>\n";
    } else {
      out += "<p>" + escaped(plot.title) + ": gnuplot drew nothing.</p>\n";
    }
  }
}

void add_facts(std::string& out, const RunReport& report) {
  const auto line = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) out += "<tr>" + cell(name) + "<td><code>" + escaped(value) + "</code></td></tr>\n";
  };
  out += "<h2>Settings</h2><table>\n";
  for (const auto& [name, value] : report.settings) line(name, value);
  out += "</table><h2>Machine</h2><table>\n";
  line("CPU", report.machine.cpu);
  line("processors", std::to_string(report.machine.processors));
  line("memory, GiB", figure(report.machine.memory_gib));
  line("kernel", report.machine.kernel);
  line("system", report.machine.system);
  line("load at the beginning", report.machine.load);
  for (const auto& [name, version] : report.machine.versions) line(name, version);
  line("CPU flags", report.machine.cpu_flags);
  out += "</table>\n";
}

}  // namespace

std::string to_html(const RunReport& report) {
  const std::string title = "sluice bench " + report.kind + ", " + report.began;
  std::string out(kHead);
  out += "<title>" + escaped(title) + "</title></head><body>\n<h1>" + escaped(title) + "</h1>\n";
  for (const std::string& remark : report.remarks) out += "<p>" + escaped(remark) + "</p>\n";
  for (const std::string& failure : report.failures) out += "<p class=\"short\">" + escaped(failure) + "</p>\n";
  add_verdicts(out, report);
  add_ratios(out, report);
  add_rows(out, report);
  add_plots(out, report);
  add_facts(out, report);
  return out + "</body></html>\n";
}

}  // namespace sluice::bench
