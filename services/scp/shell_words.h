// Words of a command as a POSIX shell would split them, with their quotes removed and what is still a pattern marked.
//
// What only a shell can do (variables, substitution, redirection, several commands) is not done here: such a command is
// no list of words.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {

// Pattern words of one command: each may read folders.
inline constexpr size_t kMaxShellWords = 4096;

struct ShellWord {
  std::string text;
  // As long as the text: characters that mean something to a pattern, or a leading `~`.
  std::vector<bool> special;
  bool operator==(const ShellWord&) const = default;
};

// Nothing: it takes a shell, or a quote has no end.
std::optional<std::vector<ShellWord>> split_shell_words(std::string_view command);

// `name` against the part [from, to) of a word: * ? [abc] [!a-z]. A leading dot is matched by a dot only.
bool matches_pattern(std::string_view name, const ShellWord& word, size_t from, size_t to);
// Whether the part has anything to match.
bool is_pattern(const ShellWord& word, size_t from, size_t to);

}  // namespace sluice
