// Completion of a line at `sluice sftp`: commands, remote names and local names, without a terminal.
#pragma once

#include "apps/sluice/sftp/path_globs.h"
#include "apps/sluice/sftp/sftp_command.h"

namespace sluice {

struct Completion {
  std::string insert;                // to be typed for the user behind the cursor
  std::vector<std::string> choices;  // what it may become, when there is more than one: fit to be shown
};

// `line`: up to the cursor.
Completion complete_sftp_line(std::string_view line, NameSource& remote, NameSource& local);

}  // namespace sluice
