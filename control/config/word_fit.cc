// Cases are told apart nowhere in keywords; values are kept as they were typed unless their kind has a form of its own.
#include "control/config/word_fit.h"

#include <strings.h>

#include <charconv>

namespace sluice {
namespace {

uint64_t most_of(const PatternElement& element, Platform platform) {
  return platform == Platform::sluice ? element.host_most : element.most;
}

Fitting fit_number(const PatternElement& element, std::string_view word, Platform platform) {
  if (word.find_first_not_of("0123456789") != std::string_view::npos) return {};
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || value < element.least || value > most_of(element, platform))
    return {Fit::out_of_range, {}};
  return {Fit::value, std::to_string(value)};
}

template <class Words>
Fitting fit_words(const Words& words, std::string_view typed) {
  Fitting best;
  for (const std::string_view word : words) {
    if (same_word(typed, word)) return {Fit::exact, std::string(word)};
    if (best.fit == Fit::none && abbreviates(typed, word)) best = {Fit::prefix, std::string(word)};
  }
  return best;
}

}  // namespace

bool same_word(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

bool abbreviates(std::string_view typed, std::string_view word) {
  if (typed.size() >= word.size() || typed.find_first_not_of("0123456789") == std::string_view::npos) return false;
  return ::strncasecmp(typed.data(), word.data(), typed.size()) == 0;
}

Fitting fit(const PatternElement& element, std::string_view word, Platform platform) {
  switch (element.type) {
    case PatternElement::Type::keyword: {
      Fitting fitting = fit_words(element.words, word);
      fitting.value = element.text;
      return fitting;
    }
    case PatternElement::Type::choice: return fit_words(element.words, word);
    case PatternElement::Type::number: return fit_number(element, word, platform);
    case PatternElement::Type::kind: break;
  }
  if (element.kind->extent != ValueExtent::word) return {Fit::text, {}};
  if (auto kept = element.kind->check(word)) return {element.kind->candidates ? Fit::exact : Fit::value, *kept};
  return {};
}

std::vector<std::string> meanings(const PatternElement& element, std::string_view typed) {
  std::vector<std::string> found;
  if (element.type == PatternElement::Type::keyword) {
    for (const std::string_view word : element.words)
      if (abbreviates(typed, word)) return {std::string(element.text)};
  } else if (element.type == PatternElement::Type::choice) {
    for (const std::string_view word : element.words)
      if (abbreviates(typed, word)) found.emplace_back(word);
  } else if (element.type == PatternElement::Type::kind && element.kind->candidates) {
    for (const std::string_view word : element.kind->candidates())
      if (abbreviates(typed, word)) found.emplace_back(word);
  }
  return found;
}

std::string shown_value(const PatternElement& element, Platform platform) {
  switch (element.type) {
    case PatternElement::Type::number: {
      std::string shown = "<";
      shown.append(std::to_string(element.least)).append("-").append(std::to_string(most_of(element, platform)));
      return shown.append(">");
    }
    case PatternElement::Type::choice: {
      std::string shown;
      for (const std::string_view word : element.words) {
        if (!shown.empty()) shown.append(" | ");
        shown.append(word);
      }
      return shown;
    }
    case PatternElement::Type::keyword:
    case PatternElement::Type::kind: break;
  }
  return std::string(element.text);
}

}  // namespace sluice
