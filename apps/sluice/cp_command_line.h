// The command line of `sluice cp`: places, what to do with them, and how to reach them.
#pragma once

#include <string>
#include <vector>

#include "control/client/config/client_options.h"
#include "services/copy/copy_options.h"

namespace sluice {

enum class CpShow : uint8_t { automatic, quiet, json };

// A file here, where `destination` is empty, or there.
struct CpPlace {
  std::string destination;  // [user@]host, or ssh://user@host:port
  std::string path;
  bool remote() const { return !destination.empty(); }
};

struct CpCommandLine {
  std::vector<std::string> lines;  // of configuration
  std::vector<std::string> key_files;
  std::string config_file;
  std::vector<CpPlace> sources;
  CpPlace target;
  CopyOptions copy;
  CpShow show = CpShow::automatic;
  int verbosity = 0;
  bool help = false;
};

ResultOrText<CpCommandLine> parse_cp_command_line(int argc, char** argv);
// "host:path", "[v6]:path", "sftp://user@host:port/path"; everything else is here.
ResultOrText<CpPlace> parse_cp_place(std::string_view text);
// "10M", "512k"; without a letter KiB a second, as rsync counts.
ResultOrText<uint64_t> parse_byte_rate(std::string_view text);

extern const char* const kCpHelp;

}  // namespace sluice
