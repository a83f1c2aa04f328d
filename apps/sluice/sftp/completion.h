// Completion of a line at `sluice sftp`: commands, remote names and local names, without a terminal.
#pragma once

#include "apps/sluice/sftp/path_globs.h"
#include "apps/sluice/sftp/sftp_command.h"
#include "apps/terminal/line_editor.h"

namespace sluice {

// `line`: up to the cursor.
Completion complete_sftp_line(std::string_view line, NameSource& remote, NameSource& local);

}  // namespace sluice
