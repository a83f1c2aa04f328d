// The command line of `sluice ssh`: ssh(1)'s flags as lines of configuration, and what is no configuration.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "control/client/config/client_options.h"

namespace sluice {

struct SshCommandLine {
  ClientInvocation invocation;
  std::vector<std::string> command;  // its words
  bool print_options = false;        // -G
  std::string query;                 // -Q
  std::string order;                 // -O
  std::string stdio_target;          // -W
  std::string log_file;              // -E
  bool log_to_syslog = false;        // -y
  bool quiet = false;
  int verbosity = 0;
  bool subsystem = false;  // -s
  bool help = false;
  bool version = false;
};

// Or what is wrong, for the user.
ResultOrText<SshCommandLine> parse_ssh_command_line(int argc, char** argv);

extern const char* const kSshHelp;

}  // namespace sluice
