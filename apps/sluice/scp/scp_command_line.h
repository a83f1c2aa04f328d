// ScpCommandLine: what the words after `sluice scp` wish.
#pragma once

#include "apps/sluice/sftp/file_program_flags.h"

namespace sluice {

extern const char* const kScpHelp;

struct ScpPlace {
  std::optional<RemoteName> remote;
  std::string path;

  std::string shown() const { return remote ? remote->destination + ":" + path : path; }
};

struct ScpCommandLine {
  FileProgramFlags flags;
  bool legacy = false, trust_names = false, at_origin = false, help = false;
  std::vector<ScpPlace> sources;
  ScpPlace target;
};

ResultOrText<ScpCommandLine> parse_scp_command_line(int argc, char** argv);

}  // namespace sluice
