// A line of ssh_config(5) as words: quotes, comments, and the keyword that may be followed by "=".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {

struct ConfigLine {
  std::string keyword;  // empty: nothing on this line
  std::string_view rest;
};

ConfigLine take_keyword(std::string_view line);
// Nothing: a quote is open at the end. A word that begins with '#' ends the line.
std::optional<std::vector<std::string>> split_words(std::string_view text);

}  // namespace sluice
