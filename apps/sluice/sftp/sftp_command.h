// SftpCommand: one line typed at `sluice sftp`, understood: the table of commands with their words and flags.
#pragma once

#include <optional>
#include <span>

#include "apps/sluice/sftp/sftp_words.h"

namespace sluice {

enum class SftpVerb : uint8_t {
  nothing,
  cd,
  chgrp,
  chmod,
  chown,
  copy,
  df,
  get,
  help,
  lcd,
  link,
  lls,
  lmkdir,
  lpwd,
  ls,
  lumask,
  mkdir,
  progress,
  put,
  pwd,
  quit,
  rename,
  rm,
  rmdir,
  shell,
  version,
};

struct SftpFlags {
  bool recursive = false, preserve = false, resume = false, sync = false;
  bool symbolic = false;               // ln -s, symlink
  bool plain = false;                  // rename -l, ln's opposite of posix-rename
  bool of_links = false;               // chmod, chown, chgrp -h
  bool human = false, inodes = false;  // df
  bool all = false, in_order = false;  // ls -a, -f (as the server has it)
  bool lengthy = false, numeric = false, one_column = false;
  bool readable = false;  // ls -h
  bool by_size = false, by_time = false, reversed = false;
};

struct SftpCommand {
  SftpVerb verb = SftpVerb::nothing;
  bool ignore_errors = false;  // `-` before it
  bool silent = false;         // `@` before it: not repeated in batch mode
  SftpFlags flags;
  uint32_t number = 0;           // chmod's mode, lumask's, the id of chown and chgrp
  std::vector<ShellWord> paths;  // as many as the verb may have
  std::string shell;             // of `!` and lls: for the user's shell
};

// What a word of a command line names, for completion.
enum class SftpWordKind : uint8_t { none, command, remote, local };

struct SftpVerbRow {
  std::string_view name;
  SftpVerb verb;
  SftpWordKind first, second;    // what its paths name
  uint8_t least, most;           // of paths
  std::string_view flags;        // letters that it takes
  std::string_view usage, help;  // empty: another name of a verb that is described
};
std::span<const SftpVerbRow> sftp_verbs();

// What stands before a command, and is left off the line: `-` and `@`. Meant also where the rest makes no sense.
struct SftpPrefix {
  bool ignore_errors = false;
  bool silent = false;
};
SftpPrefix take_sftp_prefix(std::string_view& line);
// What is wrong with it is one line, without the program's name.
ResultOrText<SftpCommand> parse_sftp_command(std::string_view line);
// "help", a line for each command.
std::string sftp_help();

}  // namespace sluice
