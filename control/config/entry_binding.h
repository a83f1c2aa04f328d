// Bindings of commands to lists and maps that a line adds one entry to. For the command table alone.
#pragma once

#include "control/config/setting_binding.h"

namespace sluice::binding {

// Of one command.
inline constexpr size_t kMaxKeptEntries = 1024;

// A list that grows by one name a line; the name is the key.
template <auto... Path>
constexpr SettingBinding each_name() {
  return {[](ServerConfig& config, const CommandLine& line) {
            auto& list = at<Path...>(config);
            if (std::find(list.begin(), list.end(), line.values[0][0]) == list.end()) list.push_back(line.values[0][0]);
            return Refusal();
          },
          [](ServerConfig& config, const CommandLine& line, const ServerConfig&) {
            std::erase(at<Path...>(config), line.values[0][0]);
          },
          [](ServerConfig& config, const CommandLine& line, const ServerConfig& defaults) {
            auto& list = at<Path...>(config);
            std::erase(list, line.values[0][0]);
            const auto& was = at<Path...>(defaults);
            if (std::find(was.begin(), was.end(), line.values[0][0]) != was.end()) list.push_back(line.values[0][0]);
          },
          [](const ServerConfig& config) {
            std::vector<CommandLine> lines;
            for (const std::string& name : at<Path...>(config)) lines.push_back({false, {{name}}, {}});
            return lines;
          }};
}

// A map from the first value, the key, to the second: text, a number, or for a repeated value a list.
template <auto... Path>
constexpr SettingBinding entries() {
  return {[](ServerConfig& config, const CommandLine& line) {
            auto& entry = at<Path...>(config)[line.values[0][0]];
            if constexpr (requires { entry + 1u; })
              entry = static_cast<unsigned>(number_of(line.values[1][0]));
            else if constexpr (requires { entry.emplace_back(std::string()); })
              entry = line.values[1];
            else
              entry = line.values[1][0];
            return Refusal();
          },
          [](ServerConfig& config, const CommandLine& line, const ServerConfig&) {
            at<Path...>(config).erase(line.values[0][0]);
          },
          [](ServerConfig& config, const CommandLine& line, const ServerConfig& defaults) {
            auto& map = at<Path...>(config);
            const auto& was = at<Path...>(defaults);
            map.erase(line.values[0][0]);
            if (const auto found = was.find(line.values[0][0]); found != was.end()) map.insert(*found);
          },
          [](const ServerConfig& config) {
            std::vector<CommandLine> lines;
            for (const auto& one : at<Path...>(config)) {
              // No structured binding: clang 14 cannot ask what it can do.
              const std::string& key = one.first;
              const auto& entry = one.second;
              if constexpr (requires { entry + 1u; })
                lines.push_back({false, {{key}, {std::to_string(entry)}}, {}});
              else if constexpr (
                  requires { entry.emplace_back(std::string()); } || requires { entry.front().front(); })
                lines.push_back({false, {{key}, entry}, {}});
              else
                lines.push_back({false, {{key}, {entry}}, {}});
            }
            return lines;
          }};
}

// Ciphers that are off for their age, each a switch of its own; without a name it is both.
template <auto Group>
void turn_old_ciphers(ServerConfig& config, const CommandLine& line, bool on) {
  const auto& words = line.values[0];
  const auto named = [&](const char* word) {
    return words.empty() || std::find(words.begin(), words.end(), word) != words.end();
  };
  if (named("aes-cbc")) (config.*Group).aes_cbc = on;
  if (named("3des-cbc")) (config.*Group).des3_cbc = on;
}

template <auto Group>
constexpr SettingBinding old_ciphers() {
  constexpr auto disable = [](ServerConfig& config, const CommandLine& line, const ServerConfig&) {
    turn_old_ciphers<Group>(config, line, false);
  };
  return {[](ServerConfig& config, const CommandLine& line) {
            turn_old_ciphers<Group>(config, line, true);
            return Refusal();
          },
          disable, disable,
          [](const ServerConfig& config) {
            std::vector<std::string> words;
            if ((config.*Group).aes_cbc) words.emplace_back("aes-cbc");
            if ((config.*Group).des3_cbc) words.emplace_back("3des-cbc");
            return words.empty() ? std::vector<CommandLine>() : one_line(std::move(words));
          }};
}

// A command without effect yet: its rest of the line is kept under the setting's name.
template <const std::string_view& kSetting>
constexpr SettingBinding kept() {
  constexpr auto remove = [](ServerConfig& config, const CommandLine& line, const ServerConfig&) {
    const auto found = config.kept.find(std::string(kSetting));
    if (found == config.kept.end()) return;
    found->second.erase(line.values[0][0]);
    if (found->second.empty()) config.kept.erase(found);
  };
  return {[](ServerConfig& config, const CommandLine& line) {
            config.kept[std::string(kSetting)].insert(line.values[0][0]);
            return Refusal();
          },
          remove, remove,
          [](const ServerConfig& config) {
            std::vector<CommandLine> lines;
            const auto found = config.kept.find(std::string(kSetting));
            if (found == config.kept.end()) return lines;
            for (const std::string& text : found->second) lines.push_back({false, {{text}}, {}});
            return lines;
          }};
}

// The names that opened a mode, as many as the place has, and the first values of a line in it.
inline std::vector<std::string> kept_entry_of(const CommandLine& line, size_t context, size_t values) {
  std::vector<std::string> entry(line.context.end() - static_cast<std::ptrdiff_t>(context), line.context.end());
  for (size_t i = 0; i < values; ++i)
    entry.push_back(i < line.values.size() && !line.values[i].empty() ? line.values[i][0] : std::string());
  return entry;
}

inline void forget_entries(ServerConfig& config, std::string_view setting, const std::vector<std::string>& begin) {
  const auto found = config.kept_entries.find(std::string(setting));
  if (found == config.kept_entries.end()) return;
  std::erase_if(found->second,
                [&](const auto& entry) { return std::equal(begin.begin(), begin.end(), entry.begin()); });
  if (found->second.empty()) config.kept_entries.erase(found);
}

// What stands in modes without effect yet: an entry is the names that opened the modes, kContext of them, and the
// line's kValues values. As many of these as the row has keys tell entries apart. With an entry go those of kChildren
// below it.
template <const std::string_view& kSetting, size_t kContext, size_t kValues, size_t kKeys,
          const std::string_view&... kChildren>
constexpr SettingBinding kept_entry() {
  constexpr auto remove = [](ServerConfig& config, const CommandLine& line, const ServerConfig&) {
    const auto begin = kept_entry_of(line, kContext, kKeys);
    forget_entries(config, kSetting, begin);
    (forget_entries(config, kChildren, begin), ...);
  };
  return {[](ServerConfig& config, const CommandLine& line) {
            if (kKeys < kValues) forget_entries(config, kSetting, kept_entry_of(line, kContext, kKeys));
            auto& all = config.kept_entries[std::string(kSetting)];
            if (all.size() >= kMaxKeptEntries) return Refusal("there are too many of these");
            all.insert(kept_entry_of(line, kContext, kValues));
            return Refusal();
          },
          remove, remove,
          [](const ServerConfig& config) {
            std::vector<CommandLine> lines;
            const auto found = config.kept_entries.find(std::string(kSetting));
            if (found == config.kept_entries.end()) return lines;
            for (const auto& entry : found->second) {
              CommandLine line;
              line.context.assign(entry.begin(), entry.begin() + kContext);
              for (size_t i = kContext; i < entry.size(); ++i) {
                line.values.emplace_back();
                if (!entry[i].empty()) line.values.back().push_back(entry[i]);
              }
              lines.push_back(std::move(line));
            }
            return lines;
          }};
}

// A line that is there or not, without effect yet.
template <const std::string_view& kSetting>
constexpr SettingBinding kept_word() {
  constexpr auto remove = [](ServerConfig& config, const CommandLine&, const ServerConfig&) {
    config.kept.erase(std::string(kSetting));
  };
  return {[](ServerConfig& config, const CommandLine&) {
            config.kept[std::string(kSetting)].insert("");
            return Refusal();
          },
          remove, remove,
          [](const ServerConfig& config) {
            return config.kept.contains(std::string(kSetting)) ? std::vector<CommandLine>{CommandLine{}}
                                                               : std::vector<CommandLine>();
          }};
}

}  // namespace sluice::binding
