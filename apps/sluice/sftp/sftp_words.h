// The words of a line typed at `sluice sftp`, with quotes as OpenSSH's sftp reads them, and lines made of words again.
#pragma once

#include "base/result.h"
#include "services/scp/shell_words.h"

namespace sluice {

// What a terminal or a batch file may have in one line.
inline constexpr size_t kMaxSftpLine = 64 * 1024;

// A quote that has no end.
struct SftpWords {
  std::vector<ShellWord> words;
  char open_quote = 0;     // the line ended inside it
  bool word_open = false;  // the line ended inside the last word: nothing separates it from what is typed next
};

// Single and double quotes, backslashes, `#` as a comment where a word begins. Patterns are marked special where they
// are neither quoted nor escaped.
SftpWords split_sftp_words(std::string_view line);

// `text` as it must be typed behind an open quote (0: none) so that it reads as itself.
std::string quote_sftp_word(std::string_view text, char quote);

}  // namespace sluice
