// A table for each section: pattern, default under each platform, meaning.
#include "control/config/reference_page.h"

#include <algorithm>
#include <set>
#include <utility>

#include "control/config/command_table.h"
#include "control/config/server_config.h"

namespace sluice {
namespace {

// Defaults that differ between these two are "by the machine".
constexpr Machine kSmall{1, uint64_t{1} << 30, true}, kLarge{64, uint64_t{256} << 30, true};

constexpr std::string_view kIntroduction = R"(# The configuration

<!-- Made from control/config/command_table.cc by tests/unit/config/config_reference.cc; do not edit. -->

`sluiced -f FILE` and `sluiced -o 'LINE'` take lines of these commands, in any order. Words may be shortened to any
prefix that no other word has at that place. Upper and lower case of keywords are the same. A line that begins with `!`
is a comment. `no` in front of a command switches it off, removes its entry or sets it back; `default` sets it back.
Lines that are set in belong to the command above them; `exit` or a command that only stands further out ends them.

In the patterns `[ ]` may be left out, `{a|b}` is one of the words, `<1-9>` a number, `...` means one or more, `a/b` are
spellings of the same word, and words in capitals are explained below. Where a range has `~`, it ends there under
`platform ios` and `ios-xr` and goes on to the second figure under `platform sluice`. Commands that say the same in
other words stand below each other; running-config prints the one of the platform. A point in front of a command says
that it belongs to the one above it.
)";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

std::string values_of(const CommandRow& row, const ServerConfig& config) {
  std::string out;
  const bool is_switch = config_grammar().pattern_of(row).values == 0;
  for (const CommandLine& line : row.binding.lines(config)) {
    if (is_switch) return line.negated ? "off" : row.opens_mode() ? "" : "on";
    if (!out.empty()) out.append("; ");
    bool first = true;
    for (const auto& value : line.values) {
      for (const std::string& word : value) {
        if (!std::exchange(first, false)) out += ' ';
        out.append(word);
      }
    }
  }
  return out;
}

std::string default_of(const CommandRow& row) {
  const std::string own = values_of(row, default_config(Platform::sluice, kSmall));
  const bool fixed = own == values_of(row, default_config(Platform::sluice, kLarge));
  std::string out = fixed ? own : "by the machine";
  for (const auto& [platform, name] : {std::pair(Platform::ios, "ios"), std::pair(Platform::ios_xr, "ios-xr")}) {
    const std::string theirs = values_of(row, default_config(platform, kSmall));
    const bool steady = theirs == values_of(row, default_config(platform, kLarge));
    const std::string told = steady ? theirs : "by the machine";
    if (row.setting != "platform" && told != (fixed ? own : "by the machine"))
      out.append(out.empty() ? "" : "; ").append(name).append(": ").append(told);
  }
  return out;
}

size_t depth_of(Mode mode) {
  for (const CommandRow& row : config_commands())
    if (row.opens_mode() && row.enters == mode) return 1 + depth_of(row.mode);
  return 0;
}

std::string row_text(const CommandRow& row) {
  std::string out = "| `";
  // Blanks at the beginning of code would be lost.
  const size_t depth = depth_of(row.mode);
  for (size_t i = 0; i < depth; ++i) out.append("·");
  if (depth > 0) out.push_back(' ');
  out.append(escaped(row.pattern))
      .append("` | ")
      .append(escaped(default_of(row)))
      .append(" | ")
      .append(escaped(row.help));
  if (!row.restart.empty()) out.append(". Takes effect at the next start: ").append(row.restart);
  if (!row.without_effect.empty()) out.append(". Kept, without effect yet: ").append(row.without_effect);
  return out.append(" |\n");
}

std::string kinds_text() {
  std::set<std::string_view> told;
  std::string out = "\n## Values\n\n| word | is |\n| --- | --- |\n";
  for (const CommandRow& row : config_grammar().rows()) {
    for (const PatternElement& element : config_grammar().pattern_of(row).elements) {
      if (!element.kind || !told.insert(element.kind->name).second) continue;
      out.append("| `").append(element.kind->name).append("` | ").append(element.kind->help);
      if (element.kind->candidates) {
        const auto words = element.kind->candidates();
        for (size_t i = 0; i < words.size(); ++i) out.append(i == 0 ? ": `" : ", `").append(words[i]).append("`");
      }
      out.append(" |\n");
    }
  }
  return out;
}

}  // namespace

std::string reference_page() {
  std::string out(kIntroduction);
  for (const CommandRow& row : config_grammar().rows()) {
    const std::string_view section = section_at(row);
    if (!section.empty())
      out.append("\n## ").append(section).append("\n\n| command | default | what it does |\n| --- | --- | --- |\n");
    out.append(row_text(row));
  }
  return out.append(kinds_text());
}

}  // namespace sluice
