// Figures, sizes and lists as people read and write them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sluice::bench {

// Three significant digits, whole numbers whole.
std::string figure(double value);
// "64M": powers of 1024.
std::string size_text(uint64_t bytes);
ResultOrText<uint64_t> parse_size(std::string_view text);
ResultOrText<uint64_t> parse_count(std::string_view text, uint64_t least, uint64_t most);
ResultOrText<double> parse_decimal(std::string_view text, double least, double most);
// By commas; empty words are dropped.
std::vector<std::string> split_list(std::string_view text);
std::string join(const std::vector<std::string>& words, std::string_view between);

}  // namespace sluice::bench
