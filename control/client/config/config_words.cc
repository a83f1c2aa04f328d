// Character by character.
#include "control/client/config/config_words.h"

#include "control/keys/words.h"

namespace sluice {
namespace {

constexpr std::string_view kSpace = " \t\f\r\n";

bool is_space(char c) { return kSpace.find(c) != std::string_view::npos; }

}  // namespace

ConfigLine take_keyword(std::string_view line) {
  line = without_leading(line, kSpace);
  while (!line.empty() && is_space(line.back())) line.remove_suffix(1);
  if (line.empty() || line.front() == '#') return {};
  size_t end = 0;
  std::string keyword;
  if (line.front() == '"') {
    end = line.find('"', 1);
    keyword = line.substr(1, end == std::string_view::npos ? end : end - 1);
    end = end == std::string_view::npos ? line.size() : end + 1;
  } else {
    end = std::min(line.find_first_of(" \t\f="), line.size());
    keyword = line.substr(0, end);
  }
  std::string_view rest = without_leading(line.substr(end), kSpace);
  if (rest.starts_with('=')) rest = without_leading(rest.substr(1), kSpace);
  return {std::move(keyword), rest};
}

std::optional<std::vector<std::string>> split_words(std::string_view text) {
  std::vector<std::string> words;
  size_t i = 0;
  for (;;) {
    while (i < text.size() && is_space(text[i])) ++i;
    if (i == text.size() || text[i] == '#') return words;
    std::string word;
    char quote = 0;
    for (; i < text.size() && (quote != 0 || !is_space(text[i])); ++i) {
      const char c = text[i];
      const char next = i + 1 < text.size() ? text[i + 1] : '\0';
      if (c == '\\' && (next == '"' || next == '\'' || next == '\\' || (quote == 0 && next == ' '))) {
        word.push_back(next);
        ++i;
      } else if (quote == 0 && (c == '"' || c == '\'')) {
        quote = c;
      } else if (quote != 0 && c == quote) {
        quote = 0;
      } else {
        word.push_back(c);
      }
    }
    if (quote != 0) return std::nullopt;
    words.push_back(std::move(word));
  }
}

}  // namespace sluice
