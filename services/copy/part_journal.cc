// Lines of text with a sum at the end: a torn one counts for nothing.
#include "services/copy/part_journal.h"

#include <array>
#include <charconv>
#include <cinttypes>
#include <cstdio>

namespace sluice {
namespace {

constexpr std::string_view kFirstLine = "sluice-parts 1\n";
// What fits whatever the numbers; the rest of a file in more pieces is copied again.
constexpr size_t kMostRanges = 1000;

// Against tearing and chance, not against forgers: who can write here can write the file.
uint64_t sum_of(std::string_view text) {
  uint64_t sum = 0xcbf29ce484222325u;
  for (const char c : text) sum = (sum ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return sum;
}

std::string hexadecimal(uint64_t value) {
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016" PRIx64, value);
  return text.data();
}

bool take_word(std::string_view& line, std::string_view word) {
  if (!line.starts_with(word)) return false;
  line.remove_prefix(word.size());
  return true;
}

bool take_number(std::string_view& line, uint64_t& number) {
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number);
  if (error != std::errc()) return false;
  line.remove_prefix(static_cast<size_t>(end - line.data()));
  return true;
}

}  // namespace

std::string SourceFacts::mark() const {
  const std::string facts = std::to_string(size) + " " + std::to_string(modified) + " " + name;
  return hexadecimal(sum_of(facts)).substr(0, 12);
}

std::vector<uint8_t> write_journal(const SourceFacts& source, const RangeSet& parts) {
  std::string text(kFirstLine);
  text += "source " + source.mark() + " " + std::to_string(source.size) + " " + std::to_string(source.modified) + "\n";
  size_t count = 0;
  for (const auto& [begin, end] : parts.ranges()) {
    if (++count > kMostRanges) break;
    text += "part " + std::to_string(begin) + " " + std::to_string(end) + "\n";
  }
  text += "sum " + hexadecimal(sum_of(text)) + "\n";
  return {text.begin(), text.end()};
}

ResultOrText<RangeSet> read_journal(Bytes journal, const SourceFacts& source) {
  const std::string_view text = text_of(journal);
  const size_t last = text.rfind("sum ");
  if (!text.starts_with(kFirstLine) || last == std::string_view::npos) return fail("No journal");
  if (text.substr(last) != "sum " + hexadecimal(sum_of(text.substr(0, last))) + "\n") return fail("A torn journal");
  std::string_view rest = text.substr(kFirstLine.size(), last - kFirstLine.size());
  const std::string expected =
      "source " + source.mark() + " " + std::to_string(source.size) + " " + std::to_string(source.modified) + "\n";
  if (!take_word(rest, expected)) return fail("The journal of another source");
  RangeSet parts;
  while (!rest.empty()) {
    uint64_t begin = 0, end = 0;
    if (!take_word(rest, "part ") || !take_number(rest, begin) || !take_word(rest, " ") || !take_number(rest, end) ||
        !take_word(rest, "\n") || begin >= end || end > source.size)
      return fail("A malformed journal");
    parts.add(begin, end);
  }
  return parts;
}

}  // namespace sluice
