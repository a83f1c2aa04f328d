// Log lines of a client program, on standard error: as many as the user asked for.
#pragma once

#include <string>

#include "control/client/config/client_options.h"

namespace sluice {

// `file`: -E; empty: standard error. False: it cannot be opened.
bool set_client_log(Verbosity verbosity, const std::string& file = {});
// -y. `facility`: as SyslogFacility names it. What is said to the user stays on the terminal.
void log_to_syslog(Verbosity verbosity, const std::string& facility);
// Before the options are known.
void complain(std::string_view text);

}  // namespace sluice
