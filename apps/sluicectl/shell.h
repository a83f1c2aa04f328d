// The shell of sluicectl: lines from a terminal or a script to the server, its replies back, programs run in between.
#pragma once

#include "apps/sluicectl/control_link.h"

namespace sluice::ctl {

// Until its end; the exit status.
int run_shell(ControlLink& link);
// One command, for scripts; `yes` answers what asks yes or no.
int run_line(ControlLink& link, const std::string& line, bool yes);
// A screen that is drawn anew every so many seconds until q or an interrupt; `times` zero: without end.
int run_top(ControlLink& link, double seconds, unsigned times);
// What stands behind `?`: the words that may follow, a line each.
std::string help_lines(const std::vector<Candidate>& candidates);

}  // namespace sluice::ctl
