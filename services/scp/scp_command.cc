// Options in any order before the paths, as getopt takes them.
#include "services/scp/scp_command.h"

#include <charconv>
#include <limits>

namespace sluice {
namespace {

bool all_digits_then(std::string_view& rest, uint64_t& value, char behind) {
  if (rest.empty() || rest[0] < '0' || rest[0] > '9') return false;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (error != std::errc()) return false;
  rest.remove_prefix(static_cast<size_t>(end - rest.data()));
  if (behind == '\0') return rest.empty();
  if (rest.empty() || rest[0] != behind) return false;
  rest.remove_prefix(1);
  return true;
}

// T<mtime> <microseconds> <atime> <microseconds>
ScpLine parse_times(std::string_view rest) {
  uint64_t modified = 0, modified_us = 0, accessed = 0, accessed_us = 0;
  const bool sound = all_digits_then(rest, modified, ' ') && all_digits_then(rest, modified_us, ' ') &&
                     all_digits_then(rest, accessed, ' ') && all_digits_then(rest, accessed_us, '\0');
  constexpr uint64_t kMostSeconds = std::numeric_limits<int64_t>::max();
  if (!sound || modified_us > 999999 || accessed_us > 999999 || modified > kMostSeconds || accessed > kMostSeconds)
    return ScpBadLine{"protocol error: times not understood"};
  return ScpTimes{{{static_cast<int64_t>(accessed), static_cast<uint32_t>(accessed_us * 1000)},
                   {static_cast<int64_t>(modified), static_cast<uint32_t>(modified_us * 1000)}}};
}

// C<mode> <size> <name>, D<mode> 0 <name>
ScpLine parse_entry(std::string_view line) {
  ScpEntry entry;
  entry.folder = line[0] == 'D';
  if (line.size() < 6) return ScpBadLine{"protocol error: bad mode"};
  for (const char digit : line.substr(1, 4)) {
    if (digit < '0' || digit > '7') return ScpBadLine{"protocol error: bad mode"};
    entry.mode = entry.mode << 3 | static_cast<uint32_t>(digit - '0');
  }
  if (line[5] != ' ') return ScpBadLine{"protocol error: mode not delimited"};
  std::string_view rest = line.substr(6);
  if (!all_digits_then(rest, entry.size, ' ')) return ScpBadLine{"protocol error: size not understood"};
  if (entry.size > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
    return ScpBadLine{"protocol error: size out of range"};
  entry.name = rest;
  if (leads_elsewhere(entry.name)) return ScpBadLine{"error: unexpected filename: " + printable(entry.name)};
  return entry;
}

}  // namespace

std::optional<ScpCommand> parse_scp_command(std::string_view command) {
  auto words = split_shell_words(command);
  if (!words || words->size() < 2 || words->front().text != "scp") return std::nullopt;
  ScpCommand parsed;
  bool source = false;
  size_t i = 1;
  for (; i < words->size(); ++i) {
    const std::string& word = (*words)[i].text;
    if (word == "--") {
      ++i;
      break;
    }
    if (word.size() < 2 || word[0] != '-') break;
    for (size_t at = 1; at < word.size(); ++at) {
      switch (word[at]) {
        case 't': parsed.sink = true; break;
        case 'f': source = true; break;
        case 'r': parsed.recursive = true; break;
        case 'p': parsed.preserve = true; break;
        case 'd': parsed.to_folder = true; break;
        case 'v':
        case 'q': break;
        case 'l':
          // The rate is the sender's to keep, and here that is for the configuration to say.
          if (at + 1 == word.size() && ++i == words->size()) return std::nullopt;
          at = word.size();
          break;
        default: return std::nullopt;
      }
    }
  }
  if (parsed.sink == source || i >= words->size()) return std::nullopt;
  parsed.paths.assign(std::make_move_iterator(words->begin() + static_cast<std::ptrdiff_t>(i)),
                      std::make_move_iterator(words->end()));
  return parsed;
}

ScpLine parse_scp_line(std::string_view line) {
  if (line == "E") return ScpFolderEnd{};
  if (line.starts_with('T')) return parse_times(line.substr(1));
  if (line.starts_with('C') || line.starts_with('D')) return parse_entry(line);
  return ScpBadLine{"protocol error: expected control record"};
}

bool leads_elsewhere(std::string_view name) {
  return name.empty() || name == "." || name == ".." || name.find('/') != std::string_view::npos ||
         name.find('\0') != std::string_view::npos;
}

bool has_control_characters(std::string_view name) {
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return true;
  }
  return false;
}

std::string printable(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f) {
      out.push_back(c);
    } else {
      // As vis(3) writes them.
      out.append("\\^").push_back(static_cast<char>(byte ^ 0x40));
    }
  }
  return out;
}

}  // namespace sluice
