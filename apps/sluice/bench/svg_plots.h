// Plots as SVG, drawn by gnuplot where it is installed.
#pragma once

#include <optional>

#include "apps/sluice/bench/run_report.h"

namespace sluice::bench {

// The gnuplot program's path, or empty.
std::string gnuplot_program();
// What gnuplot is told for a plot, the data with it.
std::string gnuplot_script(const Plot& plot);
// An <svg> element; nothing where gnuplot fails, or the plot has no points.
std::optional<std::string> draw(const std::string& gnuplot, const Plot& plot);

}  // namespace sluice::bench
