// Where a run's figures go: the terminal, a JSON file, an HTML file.
#pragma once

#include "apps/sluice/bench/flags.h"
#include "apps/sluice/bench/live_view.h"
#include "apps/sluice/bench/run_report.h"

namespace sluice::bench {

inline constexpr int kPassed = 0;
inline constexpr int kMissed = 1;  // a limit was missed, an error, wrong bytes, or something got worse
inline constexpr int kUsage = 2;
inline constexpr int kNotAvailable = 3;  // a program, a server or a device is not there

ViewManner manner_of(const CommonFlags& common);
int complain(std::string_view subcommand, const std::string& what, int code);
// What was asked for cannot be: by the words, or because a program is not here.
int complain_of_wishes(std::string_view subcommand, const std::string& what);
// What is wrong with the files that are to be written; empty: nothing. Better now than after half an hour.
std::string why_unwritable(const CommonFlags& common);
RunReport begin_report(std::string kind);
// Prints the tables and writes the files that were asked for. The exit code.
int finish_report(RunReport& report, const CommonFlags& common);
// Rows, ratios and limits as lines for a terminal.
std::string tables_of(const RunReport& report);

}  // namespace sluice::bench
