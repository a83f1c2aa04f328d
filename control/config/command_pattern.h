// CommandPattern: a row's pattern as positions and what may follow each, so that all rows are walked side by side.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "control/config/value_kind.h"

namespace sluice {

struct PatternElement {
  enum class Type : uint8_t { keyword, number, choice, kind };
  Type type = Type::keyword;
  std::string_view text;                // as in the pattern, without spellings and dots
  std::vector<std::string_view> words;  // spellings of a keyword; of a choice, all there are
  uint64_t least = 0, most = 0, host_most = 0;
  std::string_view unit;
  const ValueKind* kind = nullptr;
  bool repeats = false;
  size_t value = 0;  // its number among the values
  // Of the innermost brackets around it, counted from 1. A keyword there is printed when the group's values are.
  size_t optional_group = 0;
  std::vector<uint16_t> next;
  bool may_end = false;

  bool is_value() const { return type != Type::keyword; }
};

struct CommandPattern {
  std::vector<PatternElement> elements;
  std::vector<uint16_t> first;
  size_t values = 0;

  // Patterns are our own: one that cannot be read is our bug and ends the program.
  static CommandPattern compile(std::string_view pattern);
};

}  // namespace sluice
