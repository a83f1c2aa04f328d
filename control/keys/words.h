// Words and lines of the text files that hold keys. Private to control/keys.
#pragma once

#include <string>
#include <string_view>

namespace sluice {

inline constexpr std::string_view kBlanks = " \t";
inline constexpr std::string_view kWhite = " \t\r\n";

inline std::string_view without_leading(std::string_view text, std::string_view set) {
  const size_t from = text.find_first_not_of(set);
  return from == std::string_view::npos ? std::string_view() : text.substr(from);
}

inline std::string_view trimmed(std::string_view text, std::string_view set) {
  text = without_leading(text, set);
  return text.substr(0, text.find_last_not_of(set) + 1);
}

// The next word; rest moves to what follows it and its blanks.
inline std::string_view take_word(std::string_view& rest) {
  rest = without_leading(rest, kBlanks);
  const std::string_view word = rest.substr(0, rest.find_first_of(kBlanks));
  rest = without_leading(rest.substr(word.size()), kBlanks);
  return word;
}

// The next line without its end; rest moves behind it.
inline std::string_view take_line(std::string_view& rest) {
  const size_t end = rest.find('\n');
  std::string_view line = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// A comment comes from whoever wrote the file: on a terminal or in a line of a file it must stay text.
inline std::string printable(std::string_view text) {
  std::string shown(text);
  for (char& c : shown)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return shown;
}

}  // namespace sluice
