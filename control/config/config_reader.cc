// Line by line, with the modes that lines open. Where the mode of a line is not the one it stands in, it is tried in
// those around.
#include "control/config/config_reader.h"

#include <strings.h>

#include <algorithm>

#include "control/config/command_table.h"

namespace sluice {
namespace {

std::string_view trimmed(std::string_view text) {
  const size_t from = text.find_first_not_of(" \t\r");
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t\r") + 1 - from);
}

std::string joined(std::string_view a, std::string_view b) { return std::string(a).append(b); }

bool is_word(std::string_view text, std::string_view word) {
  return text.size() == word.size() && ::strncasecmp(text.data(), word.data(), word.size()) == 0;
}

// RFC 3629: no overlong forms, no surrogates. The place of the first octet that is wrong, or npos.
size_t find_bad_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const auto octet = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
    const unsigned first = octet(at);
    const size_t length = first < 0x80   ? 1
                          : first < 0xc2 ? 0
                          : first < 0xe0 ? 2
                          : first < 0xf0 ? 3
                          : first < 0xf5 ? 4
                                         : 0;
    if (length == 0) return at;
    for (size_t i = 1; i < length; ++i)
      if ((octet(at + i) & 0xc0) != 0x80) return at;
    const unsigned second = octet(at + 1);
    if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second >= 0xa0) || (first == 0xf0 && second < 0x90) ||
        (first == 0xf4 && second >= 0x90))
      return at;
    at += length;
  }
  return std::string_view::npos;
}

size_t find_control(std::string_view text) {
  for (size_t at = 0; at < text.size(); ++at) {
    const auto c = static_cast<unsigned char>(text[at]);
    if ((c < 0x20 && c != '\t') || c == 0x7f) return at;
  }
  return std::string_view::npos;
}

}  // namespace

ConfigReader::ConfigReader(ServerConfig start, ServerConfig defaults, Platform platform)
    : defaults_(std::move(defaults)), platform_(platform) {
  parsed_.config = std::move(start);
}

void ConfigReader::leave_modes() {
  open_.reset();
  modes_ = {{Mode::global, {}}};
  indented_ = false;
}

void ConfigReader::read(const ConfigSource& source) {
  source_ = source.name;
  number_ = 0;
  std::string_view rest = source.text;
  if (rest.size() > kMaxConfigText) {
    refuse({0, 0, "too long: more than " + std::to_string(kMaxConfigText) + " bytes"}, {});
    return;
  }
  while (!rest.empty() && parsed_.errors.size() < kMaxConfigMessages) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    ++number_;
    take(line);
  }
  if (open_) refuse({0, 0, joined("the text ends inside the value of line ", std::to_string(open_number_))}, {});
  open_.reset();
  modes_ = {{Mode::global, {}}};
  indented_ = false;
}

void ConfigReader::take(std::string_view line) {
  if (!open_ && trimmed(line).starts_with('!')) {
    // Behind lines that were set in, it ends their block.
    if (line.starts_with('!') && indented_) modes_.resize(1);
    return;
  }
  if (line.size() > kMaxConfigLine) return refuse({kMaxConfigLine, 0, "the line is too long"}, line);
  if (const size_t at = find_control(line); at != std::string_view::npos)
    return refuse({at, 1, "a control character"}, line);
  if (const size_t at = find_bad_utf8(line); at != std::string_view::npos) return refuse({at, 1, "not UTF-8"}, line);
  if (open_) return continue_value(line);
  const std::string_view words = trimmed(line);
  if (words.empty()) return;
  if (is_word(words, "end")) return modes_.resize(1);
  if (is_word(words, "exit") || is_word(words, "quit")) {
    if (modes_.size() > 1) modes_.pop_back();
    return;
  }
  match(line);
}

void ConfigReader::match(std::string_view line) {
  LineError worst{};
  bool found_error = false;
  for (size_t depth = modes_.size(); depth-- > 0;) {
    auto matched = config_grammar().match(modes_[depth].mode, line, platform_);
    if (matched) {
      modes_.resize(depth + 1);
      matched->line.context = modes_.back().context;
      begin(std::move(*matched), line);
      return;
    }
    if (!found_error || matched.error().words_understood > worst.words_understood) worst = std::move(matched.error());
    found_error = true;
  }
  refuse(worst, line);
}

void ConfigReader::begin(MatchedCommand matched, std::string_view line) {
  indented_ = line.front() == ' ' || line.front() == '\t';
  if (matched.open_value == ValueExtent::word) return apply(matched, line);
  open_ = std::move(matched);
  open_number_ = number_;
  open_text_.clear();
  if (open_->open_value == ValueExtent::delimited) open_text_ = open_->line.values.back().front();
}

void ConfigReader::continue_value(std::string_view line) {
  std::string_view part = line;
  bool last = false;
  if (open_->open_value == ValueExtent::block) {
    part = trimmed(line);
    last = is_word(part, "exit") || is_word(part, "end") || is_word(part, "quit");
    // The routers' guides go on with it inside the key's text.
    if (is_word(part.substr(0, part.find(' ')), "key-hash")) return end_before(line);
    if (last) part = {};
    if (!last && !open_text_.empty()) open_text_ += '\n';
  } else {
    open_text_ += '\n';
    const size_t end = line.find(open_->delimiter);
    last = end != std::string_view::npos;
    if (last && !trimmed(line.substr(end + open_->delimiter.size())).empty())
      refuse({end + open_->delimiter.size(), 0, "text behind the closing delimiter"}, line);
    part = line.substr(0, end);
  }
  if (open_text_.size() + part.size() > kMaxValue) {
    refuse({0, 0, joined("too long: the value of line ", std::to_string(open_number_))}, line);
    open_.reset();
    return;
  }
  open_text_.append(part);
  if (!last) return;
  MatchedCommand matched = std::move(*open_);
  open_.reset();
  finish_value(matched, line);
  if (is_word(trimmed(line), "end") && matched.open_value == ValueExtent::block) modes_.resize(1);
}

// Without a text nothing was meant.
void ConfigReader::end_before(std::string_view line) {
  MatchedCommand matched = std::move(*open_);
  open_.reset();
  if (!open_text_.empty()) finish_value(matched, line);
  match(line);
}

void ConfigReader::finish_value(MatchedCommand& matched, std::string_view line) {
  const CommandPattern& pattern = config_grammar().pattern_of(*matched.row);
  const PatternElement& element = pattern.elements.back();
  auto kept = element.kind->check(open_text_);
  if (!kept) return refuse({0, 0, joined("not possible: expected ", element.kind->help)}, line);
  matched.line.values[element.value] = {std::move(*kept)};
  apply(matched, line);
}

void ConfigReader::apply(const MatchedCommand& matched, std::string_view line) {
  const CommandRow& row = *matched.row;
  if (matched.form == CommandForm::set) {
    const Refusal refusal = row.binding.set(parsed_.config, matched.line);
    if (!refusal.empty()) return refuse({matched.value_column, 0, refusal}, line);
    if (!row.without_effect.empty())
      parsed_.warnings.push_back(message({0, 0, joined("has no effect yet: ", row.without_effect)}, line));
    if (row.opens_mode()) open_mode(row, matched.line);
  } else if (matched.form == CommandForm::negate) {
    row.binding.negate(parsed_.config, matched.line, defaults_);
  } else {
    row.binding.reset(parsed_.config, matched.line, defaults_);
  }
}

void ConfigReader::open_mode(const CommandRow& row, const CommandLine& line) {
  OpenMode opened{row.enters, line.context};
  for (size_t i = 0; i < row.keys; ++i) opened.context.push_back(line.values[i].front());
  modes_.push_back(std::move(opened));
}

ConfigMessage ConfigReader::message(const LineError& error, std::string_view line) const {
  return {source_,
          number_,
          error.column,
          error.length,
          error.what,
          error.expected,
          std::string(line.substr(0, kMaxConfigLine))};
}

void ConfigReader::refuse(const LineError& error, std::string_view line) {
  if (parsed_.errors.size() < kMaxConfigMessages) parsed_.errors.push_back(message(error, line));
}

}  // namespace sluice
