// The command line by which a client starts the other side of scp, and the lines that both sides say to each other.
#pragma once

#include <variant>

#include "services/broker/file_facts.h"
#include "services/scp/shell_words.h"

namespace sluice {

struct ScpCommand {
  bool sink = false;  // -t; else -f
  bool recursive = false, preserve = false, to_folder = false;
  std::vector<ShellWord> paths;
};

// Nothing: it is not scp's other side, or takes a shell.
std::optional<ScpCommand> parse_scp_command(std::string_view command);

// What a sender says before data: without the newline.
struct ScpTimes {
  FileTimes times;
};
struct ScpEntry {
  bool folder = false;
  uint32_t mode = 0;
  uint64_t size = 0;
  std::string name;
};
struct ScpFolderEnd {};
// Ours ends with it, after `text` was told.
struct ScpBadLine {
  std::string text;
};
using ScpLine = std::variant<ScpTimes, ScpEntry, ScpFolderEnd, ScpBadLine>;

ScpLine parse_scp_line(std::string_view line);
// A name that would lead elsewhere ends the copy; one with control characters is only refused.
bool leads_elsewhere(std::string_view name);
bool has_control_characters(std::string_view name);
// Without the newlines and other controls that would make lines of their own of it.
std::string printable(std::string_view name);

}  // namespace sluice
