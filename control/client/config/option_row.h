// The client's configuration options as data: ssh_config(5)'s names, what each takes, and those that are not ours.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {

enum class OptionKind : uint8_t {
  flag,        // yes or no
  choice,      // one of the row's words
  number,      // 0 and more
  port,        // 1..65535
  time,        // seconds, or 1h30m; "none" where the row's words say so
  text,        // one word
  words,       // all words of the line, the first line wins
  list,        // one value a line, lines add up
  many,        // all words of the line, lines add up
  command,     // the rest of the line as it stands
  algorithms,  // a name list, with + - ^ against the default
  forward,     // a port forwarding; lines add up
  absent,      // known to ssh_config and not built here: anything but the row's words is a warning
};

struct OptionRow {
  std::string_view name;
  OptionKind kind;
  // choice: what may be said, with bars between. absent: what is met by doing nothing. time: other words.
  std::string_view words = {};
  // What stands where nothing is said, as `-G` prints it; empty: nothing.
  std::string_view otherwise = {};
};

std::span<const OptionRow> option_rows();
// By name without regard to case, old names too; null: there is none.
const OptionRow* find_option(std::string_view name);

// Whether the word is among those between the bars, without regard to case.
bool has_choice(std::string_view words, std::string_view word);
// Why the words are no value of the option; empty where they are one.
std::string objection_to(const OptionRow& row, const std::vector<std::string>& words);

// "90", "1h30m", "2w" -> seconds; below 0: no time.
long long seconds_of(std::string_view text);
// "64", "16K", "1G" -> bytes; below 0: no size.
long long bytes_of_size(std::string_view text);

}  // namespace sluice
