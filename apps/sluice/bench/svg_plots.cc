// One gnuplot run a plot, its script on standard input.
#include "apps/sluice/bench/svg_plots.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "apps/sluice/bench/child_process.h"

namespace sluice::bench {
namespace {

// In a gnuplot text, in which names of files and hosts may be. Between single quotes it runs nothing; between double
// ones it would run what is in backquotes, as a shell does.
std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out.push_back('\'');
    out.push_back(c == '"' || c == '`' || c == '\\' || static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
  }
  return out + "'";
}

// A word of a data block: nothing there has a meaning but the double quote.
std::string data_word(std::string_view text) {
  std::string out = quoted(text);
  out.front() = out.back() = '"';
  return out;
}

void add_data(std::ostringstream& script, const Plot& plot) {
  for (size_t c = 0; c < plot.curves.size(); ++c) {
    script << "$data" << c << " << EOD\n";
    const auto& points = plot.curves[c].points;
    for (size_t i = 0; i < points.size(); ++i) {
      script << points[i].x << " ";
      if (std::isfinite(points[i].y)) {
        script << points[i].y;
      } else {
        script << "NaN";
      }
      if (plot.style == PlotStyle::bars) script << " " << data_word(i < plot.groups.size() ? plot.groups[i] : "");
      script << "\n";
    }
    script << "EOD\n";
  }
}

const char* form_of(PlotStyle style) {
  switch (style) {
    case PlotStyle::lines: return "using 1:2 with linespoints pointtype 7 pointsize 0.4 linewidth 1.6";
    case PlotStyle::points: return "using 1:2 with points pointtype 7 pointsize 0.35";
    case PlotStyle::bars: return "using 2:xtic(3)";
  }
  return "";
}

}  // namespace

std::string gnuplot_program() { return find_program("gnuplot"); }

std::string gnuplot_script(const Plot& plot) {
  std::ostringstream script;
  script << "set terminal svg size 900,420 dynamic font 'sans-serif,12' background '#ffffff' noenhanced\n"
         << "set title " << quoted(plot.title) << "\nset xlabel " << quoted(plot.x_label) << "\nset ylabel "
         << quoted(plot.y_label)
         << "\nset grid ytics linecolor '#d0d0d0'\nset key outside right top\nset yrange [0:*]\n";
  if (plot.logarithmic_x) script << "set logscale x\n";
  if (plot.style == PlotStyle::bars) {
    script << "set style data histograms\nset style histogram clustered gap 1\nset style fill solid 0.8\n"
           << "set xtics rotate by -20\nset boxwidth 0.9\n";
  }
  add_data(script, plot);
  for (size_t c = 0; c < plot.curves.size(); ++c) {
    script << (c == 0 ? "plot " : ", ") << "$data" << c << " " << form_of(plot.style) << " title "
           << quoted(plot.curves[c].name);
  }
  script << "\n";
  return script.str();
}

std::optional<std::string> draw(const std::string& gnuplot, const Plot& plot) {
  const bool any = std::any_of(plot.curves.begin(), plot.curves.end(), [](const Curve& curve) {
    return std::any_of(curve.points.begin(), curve.points.end(), [](const Point& p) { return std::isfinite(p.y); });
  });
  if (gnuplot.empty() || !any) return std::nullopt;
  // Its startup file is the user's, and could say anything.
  const ChildOptions options{.words = {gnuplot, "-d", "-"}, .input = gnuplot_script(plot), .patience_seconds = 60};
  const ChildOutcome outcome = run_child(options);
  const size_t from = outcome.output.find("<svg"), end = outcome.output.rfind("</svg>");
  if (!outcome.success() || from == std::string::npos || end == std::string::npos || end < from) return std::nullopt;
  return outcome.output.substr(from, end + 6 - from);
}

}  // namespace sluice::bench
