// A run's report as one HTML file that needs nothing else: no network, no script, no style sheet.
#pragma once

#include "apps/sluice/bench/run_report.h"

namespace sluice::bench {

std::string to_html(const RunReport& report);

}  // namespace sluice::bench
