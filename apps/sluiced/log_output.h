// Where sluiced's log lines go: standard error, the system's log, the journal, a file, or several of them.
#pragma once

#include <string>
#include <string_view>

#include "base/log.h"
#include "base/unique_fd.h"
#include "control/config/server_config.h"

namespace sluice {

// Before a process gives its rights up: the system's log is connected to here. `foreground`: standard error belongs to
// somebody who reads it.
void open_log(const ServerConfig& config, bool foreground);
// Lines have the platform's form from now on.
void set_log_platform(Platform platform);
LogLevel log_level_of(LogDetail detail);
// Likewise the file of transfers; a path that is empty is none.
void open_transfer_log(const std::string& path);
void log_transfer(std::string_view text);
// Of the file; -1: none. A process that may open nothing any more is given the monitor's new one at a reload.
int log_file_descriptor();
void take_log_file(UniqueFd file);

}  // namespace sluice
