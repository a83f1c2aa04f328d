// Whether a word fits an element of a pattern, how well, and what it then stands for.
#pragma once

#include "control/auth/login_limits.h"
#include "control/config/command_pattern.h"

namespace sluice {

// From worst to best.
enum class Fit : uint8_t { none, out_of_range, text, value, prefix, exact };

struct Fitting {
  Fit fit = Fit::none;
  std::string value;
};

bool same_word(std::string_view a, std::string_view b);
// Numbers are not abbreviated: 1 is not short for 10.
bool abbreviates(std::string_view typed, std::string_view word);
Fitting fit(const PatternElement& element, std::string_view word, Platform platform);
// A choice or a kind that can be counted may be abbreviated to several of its words, each of them possible.
std::vector<std::string> meanings(const PatternElement& element, std::string_view typed);
// How a value is shown in help and errors: "<5-120>", "NAME", "local | remote".
std::string shown_value(const PatternElement& element, Platform platform);

}  // namespace sluice
