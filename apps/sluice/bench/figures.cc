// Printing and parsing by hand: no locale has a say.
#include "apps/sluice/bench/figures.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace sluice::bench {
namespace {

constexpr std::string_view kUnits = "KMGT";

}  // namespace

std::string figure(double value) {
  std::array<char, 48> text;
  const double size = std::fabs(value);
  const bool whole = size >= 1000 || (size < 1e6 && value == std::floor(value));
  const int digits = whole ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : size >= 0.1 ? 3 : 4;
  if (size > 0 && size < 0.01) {
    std::snprintf(text.data(), text.size(), "%.2g", value);
  } else {
    std::snprintf(text.data(), text.size(), "%.*f", digits, value);
  }
  return text.data();
}

std::string size_text(uint64_t bytes) {
  size_t unit = 0;
  while (bytes != 0 && bytes % 1024 == 0 && unit < kUnits.size()) bytes /= 1024, ++unit;
  return std::to_string(bytes) + (unit == 0 ? "" : std::string(1, kUnits[unit - 1]));
}

ResultOrText<uint64_t> parse_size(std::string_view text) {
  uint64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  unsigned shift = 0;
  if (stop != end) {
    const size_t unit = kUnits.find(static_cast<char>(*stop & ~0x20));
    shift = unit == kUnits.npos ? 64 : static_cast<unsigned>(10 * (unit + 1));
  }
  const bool fine = error == std::errc() && (stop == end || stop + 1 == end) && shift < 64 && number != 0 &&
                    number <= (uint64_t{1} << 44 >> shift);
  if (!fine) return fail("\"" + std::string(text) + "\" is no size: a number with K, M, G or T behind it, 16T at most");
  return number << shift;
}

ResultOrText<uint64_t> parse_count(std::string_view text, uint64_t least, uint64_t most) {
  uint64_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && stop == text.data() + text.size() && number >= least && number <= most) return number;
  return fail("\"" + std::string(text) + "\" is no number from " + std::to_string(least) + " to " +
              std::to_string(most));
}

ResultOrText<double> parse_decimal(std::string_view text, double least, double most) {
  double number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && stop == text.data() + text.size() && number >= least && number <= most) return number;
  return fail("\"" + std::string(text) + "\" is no number from " + figure(least) + " to " + figure(most));
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const size_t end = std::min(text.find(','), text.size());
    if (end > 0) out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::string join(const std::vector<std::string>& words, std::string_view between) {
  std::string out;
  for (const std::string& word : words) {
    if (!out.empty()) out += between;
    out += word;
  }
  return out;
}

}  // namespace sluice::bench
