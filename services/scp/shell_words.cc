// XCU 2.2 (quoting), 2.13 (patterns).
#include "services/scp/shell_words.h"

#include <algorithm>

namespace sluice {
namespace {

// Outside quotes these make a command more than words. Braces too: some shells expand them.
constexpr std::string_view kNeedsShell = "$`;&|<>()\n{}";

class Splitter {
 public:
  explicit Splitter(std::string_view from) : rest_(from) {}

  std::optional<std::vector<ShellWord>> split() {
    while (!rest_.empty()) {
      const char c = next();
      if (c == ' ' || c == '\t') {
        end_word();
      } else if (!take(c)) {
        return std::nullopt;
      }
      if (words_.size() > kMaxShellWords) return std::nullopt;
    }
    end_word();
    return std::move(words_);
  }

 private:
  char next() {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }
  void add(char c, bool special) {
    in_word_ = true;
    word_.text.push_back(c);
    word_.special.push_back(special);
  }
  void end_word() {
    if (in_word_) words_.push_back(std::move(word_));
    word_ = {};
    in_word_ = false;
  }

  bool take(char c) {
    if (c == '\0') return false;
    if (c == '\'') return single_quoted();
    if (c == '"') return double_quoted();
    if (c == '\\') {
      if (rest_.empty()) return false;
      const char quoted = next();
      if (quoted != '\n') add(quoted, false);
      return quoted != '\0';
    }
    const bool comment = c == '#' && !in_word_;
    if (comment || kNeedsShell.find(c) != std::string_view::npos) return false;
    const bool home = c == '~' && !in_word_;
    add(c, home || c == '*' || c == '?' || c == '[' || c == ']' || c == '-');
    return true;
  }

  bool single_quoted() {
    const size_t end = rest_.find('\'');
    if (end == std::string_view::npos) return false;
    in_word_ = true;
    for (const char c : rest_.substr(0, end)) {
      if (c == '\0') return false;
      add(c, false);
    }
    rest_.remove_prefix(end + 1);
    return true;
  }

  bool double_quoted() {
    in_word_ = true;
    while (!rest_.empty()) {
      char c = next();
      if (c == '"') return true;
      if (c == '$' || c == '`' || c == '\0') return false;
      const bool escapes = c == '\\' && !rest_.empty() && std::string_view("$`\"\\\n").find(rest_[0]) != rest_.npos;
      if (escapes) c = next();
      if (!escapes || c != '\n') add(c, false);
    }
    return false;
  }

  std::string_view rest_;
  std::vector<ShellWord> words_;
  ShellWord word_;
  bool in_word_ = false;
};

// A bracket expression that begins at `at`. end: behind it, or `at` where it is none. The characters are bytes.
struct Bracket {
  size_t end;
  bool matches;
};

Bracket match_bracket(char c, const ShellWord& word, size_t at, size_t to) {
  const auto byte = [](char x) { return static_cast<unsigned char>(x); };
  size_t i = at + 1;
  const bool negated = i < to && (word.text[i] == '!' || word.text[i] == '^');
  if (negated) ++i;
  bool found = false;
  for (const size_t first = i; i < to; ++i) {
    if (word.text[i] == ']' && word.special[i] && i > first) return {i + 1, found != negated};
    char last = word.text[i];
    const char begin = last;
    if (i + 2 < to && word.text[i + 1] == '-' && word.special[i + 1] &&
        !(word.text[i + 2] == ']' && word.special[i + 2]))
      last = word.text[i += 2];
    found |= byte(begin) <= byte(c) && byte(c) <= byte(last);
  }
  return {at, false};
}

// One character of the pattern against one of the name. next: the pattern's place behind it; 0: no match.
size_t match_one(char c, const ShellWord& word, size_t at, size_t to) {
  if (word.special[at] && word.text[at] == '?') return at + 1;
  if (word.special[at] && word.text[at] == '[') {
    const Bracket bracket = match_bracket(c, word, at, to);
    if (bracket.end != at) return bracket.matches ? bracket.end : 0;
  }
  return word.text[at] == c ? at + 1 : 0;
}

}  // namespace

std::optional<std::vector<ShellWord>> split_shell_words(std::string_view command) { return Splitter(command).split(); }

bool matches_pattern(std::string_view name, const ShellWord& word, size_t from, size_t to) {
  if (name.starts_with('.') && (from == to || word.text[from] != '.')) return false;
  // The latest star takes one more each time that what follows it fails: no recursion, at worst the product of lengths.
  size_t at = from, i = 0, star = to, star_i = 0;
  bool has_star = false;
  while (i < name.size()) {
    if (at < to && word.special[at] && word.text[at] == '*') {
      has_star = true;
      star = ++at;
      star_i = i;
      continue;
    }
    const size_t next = at < to ? match_one(name[i], word, at, to) : 0;
    if (next != 0) {
      at = next;
      ++i;
    } else if (has_star) {
      at = star;
      i = ++star_i;
    } else {
      return false;
    }
  }
  while (at < to && word.special[at] && word.text[at] == '*') ++at;
  return at == to;
}

bool is_pattern(const ShellWord& word, size_t from, size_t to) {
  for (size_t i = from; i < to; ++i) {
    if (word.special[i] && std::string_view("*?[").find(word.text[i]) != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace sluice
