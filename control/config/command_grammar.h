// CommandGrammar: the commands of a table, walked word by word: a line becomes a command with values, a part of a line
// the words that may follow, a command with values a line again.
#pragma once

#include <optional>
#include <span>
#include <tl/expected.hpp>

#include "control/auth/login_limits.h"
#include "control/config/command_pattern.h"
#include "control/config/command_row.h"

namespace sluice {

// A value of any length with the words in front of it.
inline constexpr size_t kMaxConfigLine = kMaxValue + 1024;

enum class CommandForm : uint8_t { set, negate, reset };

struct MatchedCommand {
  const CommandRow* row;
  CommandForm form;
  CommandLine line;
  // The last value goes on in the following lines, or ends them: its extent, and what its lines must end with.
  ValueExtent open_value = ValueExtent::word;
  std::string delimiter = {};
  size_t value_column = 0;  // of the first value, for whoever refuses it
};

struct LineError {
  size_t column;  // counted from 0
  size_t length;  // zero: at the end
  std::string what;
  std::vector<std::string> expected = {};
  // The further a line was understood, the more likely it was meant so.
  size_t words_understood = 0;
};

struct Candidate {
  std::string word;
  std::string help;
  bool literal;  // may be put into the line as it is

  bool operator==(const Candidate&) const = default;
};

class CommandGrammar {
 public:
  // The rows outlive the grammar. Rows that share words share their help: `shared` says it of the words up to the last
  // of these, or nothing.
  using SharedWordsHelp = std::string_view (*)(std::string_view words);
  CommandGrammar(std::span<const CommandRow> rows, SharedWordsHelp shared);

  tl::expected<MatchedCommand, LineError> match(Mode mode, std::string_view line, Platform platform) const;
  // What may stand where the text ends: the words that begin with its last one, or after a blank all that may follow.
  // "<cr>" where the command may end.
  std::vector<Candidate> complete(Mode mode, std::string_view text, Platform platform) const;
  // Without indentation; a block's lines are not in it. reset and negate: as far as the row's keys.
  std::string format(const CommandRow& row, const CommandLine& line) const;

  std::span<const CommandRow> rows() const { return rows_; }
  const CommandPattern& pattern_of(const CommandRow& row) const { return patterns_[size_t(&row - rows_.data())]; }

 private:
  struct Reached {
    size_t row;
    int element;  // -1 before the first
    Values values;
  };
  struct Choice;
  struct Word {
    std::string_view text;
    size_t column;
  };
  class Walk;

  std::span<const CommandRow> rows_;
  SharedWordsHelp shared_;
  std::vector<CommandPattern> patterns_;
};

}  // namespace sluice
