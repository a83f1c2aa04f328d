// All rows of a mode are walked at once; each word leaves those that can take it.
//
// A word that is a keyword in full beats one that a keyword begins with, that beats a value of a free kind. Text of
// free form comes last: it would take anything.
#include "control/config/command_grammar.h"

#include <algorithm>

#include "control/config/word_fit.h"

namespace sluice {
namespace {

void put_new(std::vector<std::string>& into, std::string what) {
  if (std::find(into.begin(), into.end(), what) == into.end()) into.push_back(std::move(what));
}

bool values_lead_to_end(const CommandPattern& pattern, const PatternElement& element) {
  if (element.may_end) return true;
  return std::any_of(element.next.begin(), element.next.end(), [&](uint16_t index) {
    const PatternElement& next = pattern.elements[index];
    // A repeated value follows itself.
    return next.is_value() && &next != &element && values_lead_to_end(pattern, next);
  });
}

bool keys_are_given(const CommandRow& row, const Values& values) {
  return std::all_of(values.begin(), values.begin() + row.keys, [](const auto& value) { return !value.empty(); });
}

std::string quoted(std::string_view word) {
  constexpr size_t kShown = 60;
  std::string shown = "\"";
  for (const char c : word.substr(0, kShown)) shown += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  return shown.append(word.size() > kShown ? "...\"" : "\"");
}

}  // namespace

struct CommandGrammar::Choice {
  const Reached* from;
  uint16_t element;
};

CommandGrammar::CommandGrammar(std::span<const CommandRow> rows, SharedWordsHelp shared)
    : rows_(rows), shared_(shared) {
  for (const CommandRow& row : rows) patterns_.push_back(CommandPattern::compile(row.pattern));
}

// One pass over a line's words.
class CommandGrammar::Walk {
 public:
  Walk(const CommandGrammar& grammar, Mode mode, std::string_view line, Platform platform)
      : grammar_(grammar), line_(line), platform_(platform) {
    for (size_t row = 0; row < grammar.rows_.size(); ++row) {
      if (grammar.rows_[row].mode == mode) reached_.push_back({row, -1, Values(grammar.patterns_[row].values)});
    }
    for (size_t at = 0; (at = line.find_first_not_of(" \t", at)) != std::string_view::npos;) {
      const size_t end = std::min(line.find_first_of(" \t", at), line.size());
      words_.push_back({line.substr(at, end - at), at});
      at = end;
    }
    take_form();
  }

  size_t word_count() const { return words_.size(); }
  size_t taken() const { return taken_; }
  CommandForm form() const { return form_; }

  std::optional<LineError> take_all(size_t count) {
    while (taken_ < count && !text_taken_) {
      if (auto error = take(words_[taken_])) return error;
    }
    return std::nullopt;
  }

  std::vector<Choice> choices() const {
    std::vector<Choice> found;
    for (const Reached& reached : reached_) {
      for (const uint16_t element : following(reached)) found.push_back({&reached, element});
    }
    return found;
  }

  const PatternElement& element_of(const Choice& choice) const {
    return grammar_.patterns_[choice.from->row].elements[choice.element];
  }

  // The command that the line may be, now that its words are taken.
  const Reached* accepted() const {
    const Reached* negatable = nullptr;
    for (const Reached& reached : reached_) {
      if (reached.element < 0) continue;
      const CommandPattern& pattern = grammar_.patterns_[reached.row];
      const PatternElement& element = pattern.elements[size_t(reached.element)];
      if (form_ == CommandForm::set) {
        if (element.may_end || opens_block(reached)) return &reached;
        continue;
      }
      if (!keys_are_given(grammar_.rows_[reached.row], reached.values)) continue;
      if (element.may_end) return &reached;
      if (!negatable && values_lead_to_end(pattern, element)) negatable = &reached;
    }
    return negatable;
  }

  bool opens_block(const Reached& reached) const {
    for (const uint16_t next : following(reached)) {
      const PatternElement& element = grammar_.patterns_[reached.row].elements[next];
      if (element.kind && element.kind->extent == ValueExtent::block) return true;
    }
    return false;
  }

  std::vector<std::string> expected() const {
    std::vector<std::string> words;
    for (const Choice& choice : choices()) {
      const PatternElement& element = element_of(choice);
      if (element.type != PatternElement::Type::kind) {
        put_new(words, with_unit(element));
      } else if (element.kind->candidates) {
        for (const std::string_view word : element.kind->candidates()) put_new(words, std::string(word));
      } else {
        // A name of ours in capitals says nothing to whoever has not read its documentation.
        put_new(words, std::string(element.text) + " (" + std::string(element.kind->help) + ")");
      }
    }
    if (accepted()) put_new(words, "end of line");
    return words;
  }

  LineError error_at(const Word& word, std::string what) const {
    return {word.column, word.text.size(), std::move(what), expected(), taken_};
  }

  const MatchedCommand& text() const { return text_; }

  std::string with_unit(const PatternElement& element) const {
    std::string shown = shown_value(element, platform_);
    if (!element.unit.empty()) shown.append(" ").append(element.unit);
    return shown;
  }

 private:
  const std::vector<uint16_t>& following(const Reached& reached) const {
    const CommandPattern& pattern = grammar_.patterns_[reached.row];
    return reached.element < 0 ? pattern.first : pattern.elements[size_t(reached.element)].next;
  }

  void take_form() {
    if (words_.empty()) return;
    form_ = same_word(words_[0].text, "no")        ? CommandForm::negate
            : same_word(words_[0].text, "default") ? CommandForm::reset
                                                   : CommandForm::set;
    if (form_ != CommandForm::set) taken_ = 1;
  }

  std::optional<LineError> take(const Word& word) {
    struct Found {
      Choice choice;
      Fitting fitting;
    };
    std::vector<Found> found;
    Fit best = Fit::none;
    for (const Choice& choice : choices()) {
      Fitting fitting = fit(element_of(choice), word.text, platform_);
      if (fitting.fit == Fit::none) {
        for (std::string& meaning : meanings(element_of(choice), word.text)) {
          found.push_back({choice, {Fit::prefix, std::move(meaning)}});
          best = std::max(best, Fit::prefix);
        }
        continue;
      }
      best = std::max(best, fitting.fit);
      found.push_back({choice, std::move(fitting)});
    }
    if (best == Fit::none)
      return error_at(word, (choices().empty() ? "too many words: " : "unknown word: ") + quoted(word.text));
    if (best == Fit::out_of_range) return error_at(word, "out of range: " + quoted(word.text));
    std::erase_if(found, [&](const Found& one) { return one.fitting.fit != best; });
    if (best == Fit::prefix) {
      // A choice lists only its first meaning above.
      std::vector<std::string> words;
      for (const Found& one : found)
        for (std::string& meaning : meanings(element_of(one.choice), word.text)) put_new(words, std::move(meaning));
      if (words.size() > 1) {
        LineError error = error_at(word, "ambiguous word: " + quoted(word.text));
        error.expected = std::move(words);
        return error;
      }
    }
    if (best == Fit::text) return take_text(found.front().choice, word);
    std::vector<Reached> next;
    for (const Found& one : found) {
      Reached reached{one.choice.from->row, one.choice.element, one.choice.from->values};
      const PatternElement& element = element_of(one.choice);
      if (element.is_value()) {
        reached.values[element.value].push_back(one.fitting.value);
        note_value(word);
      }
      next.push_back(std::move(reached));
    }
    reached_ = std::move(next);
    ++taken_;
    return std::nullopt;
  }

  void note_value(const Word& word) {
    if (!value_noted_) text_.value_column = word.column;
    value_noted_ = true;
  }

  // The rest of the line, or the beginning of something longer.
  std::optional<LineError> take_text(const Choice& choice, const Word& word) {
    const PatternElement& element = element_of(choice);
    std::string_view rest = line_.substr(word.column);
    rest = rest.substr(0, rest.find_last_not_of(" \t\r") + 1);
    note_value(word);
    Reached reached{choice.from->row, choice.element, choice.from->values};
    std::string value(rest);
    if (element.kind->extent == ValueExtent::delimited) {
      // Half of a longer character would leave the other half in the text.
      if (static_cast<unsigned char>(rest.front()) >= 0x80) return error_at(word, "the delimiter is not ASCII");
      // As people type it, ^C is two characters.
      text_.delimiter = rest.starts_with("^C") ? "^C" : std::string(rest.substr(0, 1));
      rest.remove_prefix(text_.delimiter.size());
      const size_t end = rest.find(text_.delimiter);
      if (end == std::string_view::npos) text_.open_value = ValueExtent::delimited;
      if (end != std::string_view::npos && end + text_.delimiter.size() != rest.size())
        return error_at(word, "text behind the closing delimiter " + quoted(text_.delimiter));
      value = rest.substr(0, end);
    }
    if (text_.open_value == ValueExtent::word) {
      auto kept = element.kind->check(value);
      if (!kept) {
        LineError error = error_at(word, "not possible: " + quoted(value));
        error.expected = {std::string(element.text) + ", " + std::string(element.kind->help)};
        return error;
      }
      value = std::move(*kept);
    }
    reached.values[element.value].push_back(std::move(value));
    reached_ = {std::move(reached)};
    taken_ = words_.size();
    text_taken_ = true;
    return std::nullopt;
  }

  const CommandGrammar& grammar_;
  std::string_view line_;
  Platform platform_;
  std::vector<Word> words_;
  std::vector<Reached> reached_;
  size_t taken_ = 0;
  CommandForm form_ = CommandForm::set;
  bool text_taken_ = false;
  bool value_noted_ = false;
  MatchedCommand text_{};
};

tl::expected<MatchedCommand, LineError> CommandGrammar::match(Mode mode, std::string_view line,
                                                              Platform platform) const {
  Walk walk(*this, mode, line, platform);
  if (auto error = walk.take_all(walk.word_count())) return tl::unexpected(std::move(*error));
  const Reached* accepted = walk.accepted();
  if (!accepted)
    return tl::unexpected(
        LineError{line.find_last_not_of(" \t\r") + 1, 0, "a word is missing", walk.expected(), walk.taken()});
  MatchedCommand matched = walk.text();
  matched.row = &rows_[accepted->row];
  matched.form = walk.form();
  matched.line.values = accepted->values;
  matched.line.negated = matched.form == CommandForm::negate;
  const bool block = matched.form == CommandForm::set && walk.opens_block(*accepted);
  if (block) matched.open_value = ValueExtent::block;
  return matched;
}

std::vector<Candidate> CommandGrammar::complete(Mode mode, std::string_view text, Platform platform) const {
  std::vector<Candidate> found;
  const size_t blank = text.find_last_of(" \t");
  const std::string_view begun = text.substr(blank == std::string_view::npos ? 0 : blank + 1);
  const bool inside = !begun.empty();
  Walk walk(*this, mode, text.substr(0, text.size() - begun.size()), platform);
  if (walk.take_all(walk.word_count())) return found;
  auto offer = [&](std::string word, std::string_view help, bool literal) {
    if (literal && !same_word(begun, word) && !begun.empty() && !abbreviates(begun, word)) return;
    Candidate candidate{std::move(word), std::string(help), literal};
    const bool known =
        std::any_of(found.begin(), found.end(), [&](const Candidate& c) { return c.word == candidate.word; });
    if (!known) found.push_back(std::move(candidate));
  };
  for (const Choice& choice : walk.choices()) {
    const PatternElement& element = walk.element_of(choice);
    const CommandRow& row = rows_[choice.from->row];
    switch (element.type) {
      case PatternElement::Type::keyword: {
        const std::string_view shared =
            shared_(row.pattern.substr(0, size_t(element.text.data() - row.pattern.data()) + element.text.size()));
        offer(std::string(element.text), shared.empty() ? row.help : shared, true);
        break;
      }
      case PatternElement::Type::choice:
        for (const std::string_view word : element.words) offer(std::string(word), row.help, true);
        break;
      case PatternElement::Type::number:
        if (begun.empty() || fit(element, begun, platform).fit == Fit::value)
          offer(shown_value(element, platform), element.unit.empty() ? row.help : element.unit, false);
        break;
      case PatternElement::Type::kind:
        if (!element.kind->candidates) {
          for (const ValueForm& form : element.kind->forms) offer(std::string(form.word), form.help, false);
          if (element.kind->forms.empty()) offer(std::string(element.text), element.kind->help, false);
          if (element.kind->suggestions)
            for (std::string& word : element.kind->suggestions()) offer(std::move(word), element.kind->help, true);
        } else {
          for (const std::string_view word : element.kind->candidates())
            offer(std::string(word), element.kind->help, true);
        }
        break;
    }
  }
  std::sort(found.begin(), found.end(), [](const Candidate& a, const Candidate& b) { return a.word < b.word; });
  if (!inside && walk.taken() > 0 && walk.accepted()) found.push_back({"<cr>", "", false});
  return found;
}

std::string CommandGrammar::format(const CommandRow& row, const CommandLine& line) const {
  const CommandPattern& pattern = pattern_of(row);
  std::string text = line.negated ? "no" : "";
  auto add = [&](std::string_view word) {
    if (!text.empty()) text += ' ';
    text.append(word);
  };
  // A group in brackets is printed when its values are there.
  auto absent = [&](size_t group) {
    return std::any_of(pattern.elements.begin(), pattern.elements.end(), [&](const PatternElement& element) {
      return element.optional_group == group && element.is_value() && line.values[element.value].empty();
    });
  };
  for (const PatternElement& element : pattern.elements) {
    if (element.is_value() && (element.value >= line.values.size() || line.values[element.value].empty())) continue;
    if (!element.is_value()) {
      if (element.optional_group == 0 || !absent(element.optional_group)) add(element.text);
    } else if (element.kind && element.kind->extent == ValueExtent::delimited) {
      const std::string& value = line.values[element.value].front();
      const std::string delimiter(delimiter_for(value));
      add(delimiter + value + delimiter);
    } else if (!element.kind || element.kind->extent != ValueExtent::block) {
      for (const std::string& word : line.values[element.value]) add(word);
    }
  }
  return text;
}

}  // namespace sluice
