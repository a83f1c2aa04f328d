// Splitting and quoting of the words of sftp's lines.
#include "apps/sluice/sftp/sftp_words.h"

namespace sluice {
namespace {

constexpr std::string_view kPatterns = "*?[]-!^~";
constexpr std::string_view kNeedQuotes = "'\"# \t\\*?[";

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f'; }

void add(ShellWord& word, char c, bool special) {
  word.text.push_back(c);
  word.special.push_back(special);
}

}  // namespace

SftpWords split_sftp_words(std::string_view line) {
  SftpWords out;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (out.open_quote != 0) {
      if (c == out.open_quote) {
        out.open_quote = 0;
      } else if (c == '\\' && i + 1 < line.size() && (line[i + 1] == out.open_quote || line[i + 1] == '\\')) {
        add(out.words.back(), line[++i], false);
      } else {
        add(out.words.back(), c, false);
      }
      continue;
    }
    if (is_space(c)) {
      out.word_open = false;
      continue;
    }
    if (!out.word_open) {
      if (c == '#') break;
      out.words.emplace_back();
      out.word_open = true;
    }
    if (c == '\'' || c == '"') {
      out.open_quote = c;
    } else if (c == '\\' && i + 1 < line.size()) {
      // Whatever it is: a letter behind a backslash is itself, as it is for glob(3).
      add(out.words.back(), line[++i], false);
    } else {
      add(out.words.back(), c, kPatterns.find(c) != std::string_view::npos);
    }
  }
  return out;
}

std::string quote_sftp_word(std::string_view text, char quote) {
  std::string out;
  for (const char c : text) {
    const bool escape = quote == 0 ? kNeedQuotes.find(c) != std::string_view::npos : c == quote || c == '\\';
    if (escape) out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

}  // namespace sluice
