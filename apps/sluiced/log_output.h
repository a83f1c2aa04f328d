// Where sluiced's log lines go: standard error, the system's log, or both.
#pragma once

#include "control/config/server_settings.h"

namespace sluice {

// Before a process gives its rights up: the system's log is connected to here. `foreground`: standard error belongs to
// somebody who reads it.
void open_log(const LogSettings& settings, bool foreground);

}  // namespace sluice
