// Patterns are read by descent; what may follow what is Glushkov's construction.
#include "control/config/command_pattern.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/check.h"

namespace sluice {
namespace {

// What a part of a pattern may begin and end with, and whether it may be absent.
struct Part {
  std::vector<uint16_t> first, last;
  bool nullable = true;
};

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

uint64_t number_in(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  SLUICE_CHECK(error == std::errc() && end == text.data() + text.size());
  return value;
}

class PatternReader {
 public:
  PatternReader(std::string_view text, CommandPattern& out) : rest_(text), out_(out) {}

  void read() {
    const Part whole = sequence();
    SLUICE_CHECK(rest_.empty() && !whole.nullable);
    out_.first = whole.first;
    for (const uint16_t last : whole.last) out_.elements[last].may_end = true;
  }

 private:
  void skip_blanks() {
    while (rest_.starts_with(' ')) rest_.remove_prefix(1);
  }

  Part sequence() {
    Part whole;
    for (skip_blanks(); !rest_.empty() && !rest_.starts_with(']'); skip_blanks()) append(whole, item());
    return whole;
  }

  void append(Part& whole, const Part& part) {
    for (const uint16_t last : whole.last)
      for (const uint16_t first : part.first) follow(last, first);
    if (whole.nullable) whole.first.insert(whole.first.end(), part.first.begin(), part.first.end());
    if (!part.nullable) whole.last.clear();
    whole.last.insert(whole.last.end(), part.last.begin(), part.last.end());
    whole.nullable = whole.nullable && part.nullable;
  }

  void follow(uint16_t from, uint16_t to) {
    auto& next = out_.elements[from].next;
    if (std::find(next.begin(), next.end(), to) == next.end()) next.push_back(to);
  }

  Part item() {
    if (!rest_.starts_with('[')) return element();
    rest_.remove_prefix(1);
    const size_t around = std::exchange(group_, ++groups_);
    Part part = sequence();
    group_ = around;
    SLUICE_CHECK(rest_.starts_with(']'));
    rest_.remove_prefix(1);
    part.nullable = true;
    return part;
  }

  Part element() {
    PatternElement element;
    const char open = rest_.front();
    const size_t size = open == '<'   ? rest_.find('>') + 1
                        : open == '{' ? rest_.find('}') + 1
                                      : std::min(rest_.find_first_of(" ]"), rest_.size());
    SLUICE_CHECK(size != 0);
    std::string_view text = rest_.substr(0, size);
    rest_.remove_prefix(size);
    if (open == '<' || open == '{') {
      element.repeats = rest_.starts_with("...");
      if (element.repeats) rest_.remove_prefix(3);
    } else {
      element.repeats = text.ends_with("...");
      if (element.repeats) text.remove_suffix(3);
    }
    element.text = text;
    describe(element, text);
    if (element.is_value()) element.value = out_.values++;
    element.optional_group = group_;
    const auto index = static_cast<uint16_t>(out_.elements.size());
    const bool repeats = element.repeats;
    out_.elements.push_back(std::move(element));
    if (repeats) follow(index, index);
    return {{index}, {index}, false};
  }

  static void describe(PatternElement& element, std::string_view text) {
    const char open = text.front();
    if (open == '<') {
      element.type = PatternElement::Type::number;
      text = text.substr(1, text.size() - 2);
      const size_t blank = std::min(text.find(' '), text.size());
      if (blank < text.size()) element.unit = text.substr(blank + 1);
      const std::string_view range = text.substr(0, blank);
      const size_t dash = range.find('-'), wave = std::min(range.find('~'), range.size());
      element.least = number_in(range.substr(0, dash));
      element.most = number_in(range.substr(dash + 1, wave - dash - 1));
      element.host_most = wave < range.size() ? number_in(range.substr(wave + 1)) : element.most;
    } else if (open == '{') {
      element.type = PatternElement::Type::choice;
      element.words = split(text.substr(1, text.size() - 2), '|');
    } else if (open >= 'A' && open <= 'Z') {
      element.type = PatternElement::Type::kind;
      element.kind = find_value_kind(text);
      SLUICE_CHECK(element.kind != nullptr);
    } else {
      element.words = split(text, '/');
      element.text = element.words.front();
    }
  }

  std::string_view rest_;
  CommandPattern& out_;
  size_t group_ = 0;
  size_t groups_ = 0;
};

}  // namespace

CommandPattern CommandPattern::compile(std::string_view pattern) {
  CommandPattern compiled;
  PatternReader(pattern, compiled).read();
  return compiled;
}

}  // namespace sluice
