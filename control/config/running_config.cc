// Each setting is asked for its lines; those that the defaults have too are left out, and those that only the defaults
// have are negated.
#include "control/config/running_config.h"

#include <algorithm>

#include "control/config/command_table.h"

namespace sluice {
namespace {

constexpr std::string_view kRemoved = "<removed>";

uint8_t dialect_of(Platform platform) {
  return platform == Platform::ios ? kIos : platform == Platform::ios_xr ? kXr : kOwn;
}

struct SecretPlace {
  std::string_view setting;
  size_t value;
};

// Whole texts where a secret may be anywhere in them.
constexpr SecretPlace kSecrets[] = {{"username", 4},     {"enable-secret", 2},  {"radius", 0},
                                    {"tacacs", 0},       {"snmp", 0},           {"radius-key", 0},
                                    {"tacacs-key", 0},   {"radius-host", 0},    {"tacacs-host", 0},
                                    {"token-engine", 0}, {"token-host-key", 0}, {"crypto-engine", 0}};

void hide_secret(const CommandRow& row, CommandLine& line) {
  for (const SecretPlace& place : kSecrets) {
    if (place.setting != row.setting || place.value >= line.values.size() || line.values[place.value].empty()) continue;
    std::string& text = line.values[place.value].front();
    // Of a server the address stays.
    const size_t kept = row.setting.ends_with("-host") ? std::min(text.find(" key "), text.size()) : 0;
    if (kept < text.size())
      text.replace(kept, std::string::npos, kept > 0 ? " key " + std::string(kRemoved) : kRemoved);
  }
}

bool same_entry(const CommandRow& row, const CommandLine& a, const CommandLine& b) {
  return a.context == b.context &&
         std::equal(a.values.begin(), a.values.begin() + std::min<std::ptrdiff_t>(row.keys, std::ssize(a.values)),
                    b.values.begin(), b.values.begin() + std::min<std::ptrdiff_t>(row.keys, std::ssize(b.values)));
}

class Writer {
 public:
  Writer(const ServerConfig& config, const ServerConfig& defaults, const WriteOptions& options)
      : config_(config), defaults_(defaults), options_(options) {}

  std::string write(Mode mode, const std::vector<std::string>& context, size_t depth) const {
    std::string out;
    std::vector<std::string_view> done;
    for (const CommandRow& row : config_grammar().rows()) {
      if (row.mode != mode || std::find(done.begin(), done.end(), row.setting) != done.end()) continue;
      done.push_back(row.setting);
      out.append(setting(row, context, depth));
    }
    return out;
  }

 private:
  std::string setting(const CommandRow& first, const std::vector<std::string>& context, size_t depth) const {
    std::string out;
    const auto lines = first.binding.lines(config_), usual = first.binding.lines(defaults_);
    // By the most general of its rows: a spelling may have no word for some values.
    const CommandRow& row = spelling(first);
    const auto now = &row == &first ? lines : row.binding.lines(config_);
    const auto then = &row == &first ? usual : row.binding.lines(defaults_);
    for (const CommandLine& line : now) {
      if (line.context != context) continue;
      const std::string below = row.opens_mode() ? write(row.enters, inner_context(row, line), depth + 1) : "";
      const bool known = std::find(then.begin(), then.end(), line) != then.end();
      const bool container = row.opens_mode() && row.keys == 0;
      if (below.empty() && (container || (known && !options_.defaults))) continue;
      out.append(text_of(row, line, depth)).append(below);
    }
    for (CommandLine line : then) {
      if (line.context != context || line.negated) continue;
      if (std::any_of(now.begin(), now.end(), [&](const CommandLine& one) { return same_entry(row, one, line); }))
        continue;
      line.negated = true;
      for (size_t i = row.keys; i < line.values.size(); ++i) line.values[i].clear();
      out.append(text_of(row, line, depth));
    }
    return out;
  }

  // Of the rows with the setting, the one in the platform's dialect whose ranges take the value.
  const CommandRow& spelling(const CommandRow& first) const {
    std::vector<const CommandRow*> spellings;
    for (const CommandRow& row : config_grammar().rows())
      if (row.mode == first.mode && row.setting == first.setting) spellings.push_back(&row);
    if (spellings.size() == 1) return first;
    const CommandRow* best = nullptr;
    for (const uint8_t dialects : {dialect_of(config_.platform), uint8_t{0xff}}) {
      for (const CommandRow* row : spellings)
        if (!best && (row->dialects & dialects) != 0 && says_it(*row)) best = row;
    }
    return best ? *best : first;
  }

  bool says_it(const CommandRow& row) const {
    if (row.opens_mode()) return true;
    const auto lines = row.binding.lines(config_);
    // A row that has no word for what the setting is leaves it to another.
    bool any = false;
    for (const CommandRow& other : config_grammar().rows())
      any = any || (other.mode == row.mode && other.setting == row.setting && !other.binding.lines(config_).empty());
    if (lines.empty()) return !any;
    return std::all_of(lines.begin(), lines.end(), [&](const CommandLine& line) {
      const bool longer = !line.values.empty() && line.values.back().size() == 1 && has_text(row);
      return longer ||
             config_grammar().match(row.mode, config_grammar().format(row, line), config_.platform).has_value();
    });
  }

  static bool has_text(const CommandRow& row) {
    const auto& last = config_grammar().pattern_of(row).elements.back();
    return last.kind && last.kind->extent != ValueExtent::word;
  }

  static std::vector<std::string> inner_context(const CommandRow& row, const CommandLine& line) {
    std::vector<std::string> inner = line.context;
    for (size_t i = 0; i < row.keys; ++i) inner.push_back(line.values[i].front());
    return inner;
  }

  std::string text_of(const CommandRow& row, CommandLine line, size_t depth) const {
    const std::string indent(depth, ' ');
    if (!options_.secrets && !line.negated) hide_secret(row, line);
    std::string out = indent + config_grammar().format(row, line) + "\n";
    const auto& last = config_grammar().pattern_of(row).elements.back();
    if (!line.negated && last.kind && last.kind->extent == ValueExtent::block)
      out.append(indent + " " + line.values[last.value].front() + "\n").append(indent + " exit\n");
    return out;
  }

  const ServerConfig& config_;
  const ServerConfig& defaults_;
  const WriteOptions& options_;
};

// For operators' eyes and the log.
std::string written(const CommandRow& row, const ServerConfig& config) {
  std::string out;
  for (CommandLine& line : row.binding.lines(config)) {
    if (!line.negated) hide_secret(row, line);
    for (const std::string& word : line.context) out.append(word).append(" ");
    out.append(config_grammar().format(row, line)).append("\n");
  }
  return out;
}

}  // namespace

std::string running_config(const ServerConfig& config, const Machine& machine, const WriteOptions& options) {
  ServerConfig defaults = default_config(config.platform, machine);
  defaults.platform = Platform::sluice;
  return Writer(config, defaults, options).write(Mode::global, {}, 0);
}

ServerConfig without_lines_behind(const ServerConfig& wanted, const ServerConfig& whole, const ServerConfig& file) {
  ServerConfig out = wanted;
  std::vector<std::string_view> done;
  for (const CommandRow& row : config_grammar().rows()) {
    if (std::find(done.begin(), done.end(), row.setting) != done.end()) continue;
    done.push_back(row.setting);
    const auto alone = row.binding.lines(file), with = row.binding.lines(whole);
    if (alone == with || with != row.binding.lines(wanted)) continue;
    for (const CommandLine& line : with) row.binding.negate(out, line, file);
    for (const CommandLine& line : alone) {
      if (line.negated)
        row.binding.negate(out, line, file);
      else
        row.binding.set(out, line);
    }
  }
  return out;
}

std::vector<SettingChange> diff(const ServerConfig& before, const ServerConfig& after) {
  std::vector<SettingChange> changes;
  for (const CommandRow& row : config_grammar().rows()) {
    const bool told = std::any_of(changes.begin(), changes.end(),
                                  [&](const SettingChange& change) { return change.setting == row.setting; });
    if (told || row.binding.lines(before) == row.binding.lines(after)) continue;
    changes.push_back({row.setting, written(row, before), written(row, after), row.restart});
  }
  return changes;
}

}  // namespace sluice
