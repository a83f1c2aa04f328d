// The words behind the bar, and the lines that they leave.
#include "apps/sluicectl/output_filter.h"

#include <regex.h>

#include <algorithm>

namespace sluice::ctl {
namespace {

constexpr FilterWord kWords[] = {
    {"begin", "From the first line that matches on", OutputFilter::Kind::begin},
    {"count", "How many lines match", OutputFilter::Kind::count},
    {"exclude", "Lines that do not match", OutputFilter::Kind::exclude},
    {"include", "Lines that match", OutputFilter::Kind::include},
};

constexpr std::string_view kBlank = " \t";

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(kBlank);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::string_view take_word(std::string_view& text) {
  text = trimmed(text);
  const size_t end = std::min(text.find_first_of(kBlank), text.size());
  const std::string_view word = text.substr(0, end);
  text = trimmed(text.substr(end));
  return word;
}

bool is_show(std::string_view line) {
  std::string_view word = take_word(line);
  if (word == "do") word = take_word(line);
  return word.size() >= 2 && std::string_view("show").starts_with(word);
}

class Pattern {
 public:
  explicit Pattern(const std::string& text) : wrong_(::regcomp(&compiled_, text.c_str(), REG_EXTENDED | REG_NOSUB)) {}
  Pattern(const Pattern&) = delete;
  Pattern& operator=(const Pattern&) = delete;
  ~Pattern() {
    if (wrong_ == 0) ::regfree(&compiled_);
  }
  bool good() const { return wrong_ == 0; }
  bool matches(const std::string& line) const { return ::regexec(&compiled_, line.c_str(), 0, nullptr, 0) == 0; }

 private:
  regex_t compiled_{};
  int wrong_;
};

}  // namespace

std::span<const FilterWord> filter_words() { return kWords; }

size_t bar_of(std::string_view line) { return is_show(line) ? line.find('|') : line.npos; }

ResultOrText<OutputFilter> take_filter(std::string& line) {
  const size_t bar = bar_of(line);
  if (bar == line.npos) return OutputFilter{};
  const std::string behind = line.substr(bar + 1);
  line.resize(bar);
  std::string_view rest = behind;
  const std::string_view word = take_word(rest);
  const auto found = std::find_if(std::begin(kWords), std::end(kWords),
                                  [&](const FilterWord& one) { return !word.empty() && one.word.starts_with(word); });
  if (found == std::end(kWords)) return fail("behind | stands begin, count, exclude or include, and a pattern");
  if (rest.empty()) return fail(std::string(found->word) + " wants a pattern");
  OutputFilter filter{found->kind, std::string(rest)};
  if (!Pattern(filter.pattern).good()) return fail("'" + filter.pattern + "' is no regular expression");
  return filter;
}

std::string filtered(const OutputFilter& filter, std::string_view text) {
  if (filter.kind == OutputFilter::Kind::none) return std::string(text);
  const Pattern pattern(filter.pattern);
  std::string out;
  size_t count = 0;
  bool begun = false;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    const bool match = pattern.good() && pattern.matches(line);
    begun = begun || match;
    count += match ? 1 : 0;
    const bool wanted = filter.kind == OutputFilter::Kind::include ? match
                        : filter.kind == OutputFilter::Kind::exclude
                            ? !match
                            : filter.kind == OutputFilter::Kind::begin && begun;
    if (wanted) out.append(line).append("\n");
  }
  if (filter.kind == OutputFilter::Kind::count)
    out = "Number of lines which match regexp = " + std::to_string(count) + "\n";
  return out;
}

}  // namespace sluice::ctl
