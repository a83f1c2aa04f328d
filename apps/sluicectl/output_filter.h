// OutputFilter: what stands behind the bar of `show ... | include PATTERN`, and what it leaves of the output.
//
// The pattern is the operator's, and matched in his own process: a costly one holds up nobody else.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sluice::ctl {

struct OutputFilter {
  enum class Kind : uint8_t { none, begin, count, exclude, include };
  Kind kind = Kind::none;
  std::string pattern = {};  // an extended regular expression
};

struct FilterWord {
  std::string_view word, help;
  OutputFilter::Kind kind;
};
std::span<const FilterWord> filter_words();

// Where a line of the shell is a show with a bar in it: the offset of the bar; else npos.
size_t bar_of(std::string_view line);
// Takes the filter off the line.
ResultOrText<OutputFilter> take_filter(std::string& line);
// The lines that are to be printed.
std::string filtered(const OutputFilter& filter, std::string_view text);

}  // namespace sluice::ctl
