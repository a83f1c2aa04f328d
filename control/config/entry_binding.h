// Bindings of commands to lists and maps that a line adds one entry to. For the command table alone.
#pragma once

#include "control/config/setting_binding.h"

namespace sluice::binding {

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

}  // namespace sluice::binding
