// Bindings of commands to single settings, made from the path to the member. For the command table alone.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>

#include "control/config/command_row.h"
#include "control/config/server_config.h"

namespace sluice::binding {

template <auto... Path, class Config>
auto& at(Config& config) {
  return (config.*....*Path);
}

// The text was checked by the pattern.
inline uint64_t number_of(const std::string& text) {
  uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

inline std::vector<CommandLine> one_line(std::vector<std::string> value) { return {{false, {std::move(value)}, {}}}; }

template <auto... Path>
void restore(ServerConfig& config, const CommandLine&, const ServerConfig& defaults) {
  at<Path...>(config) = at<Path...>(defaults);
}

// `X` and `no X`.
template <auto... Path>
constexpr SettingBinding toggle() {
  return {[](ServerConfig& config, const CommandLine&) {
            at<Path...>(config) = true;
            return Refusal();
          },
          [](ServerConfig& config, const CommandLine&, const ServerConfig&) { at<Path...>(config) = false; },
          restore<Path...>,
          [](const ServerConfig& config) {
            return std::vector<CommandLine>{{!at<Path...>(config), {}, {}}};
          }};
}

template <auto... Path>
constexpr SettingBinding number() {
  return {[](ServerConfig& config, const CommandLine& line) {
            auto& value = at<Path...>(config);
            value = static_cast<std::remove_reference_t<decltype(value)>>(number_of(line.values[0][0]));
            return Refusal();
          },
          restore<Path...>, restore<Path...>,
          [](const ServerConfig& config) { return one_line({std::to_string(at<Path...>(config))}); }};
}

// Zero is "not set" and has no line: `no X` makes it so.
template <auto... Path>
constexpr SettingBinding number_or_none() {
  SettingBinding binding = number<Path...>();
  binding.negate = [](ServerConfig& config, const CommandLine&, const ServerConfig&) { at<Path...>(config) = 0; };
  binding.lines = [](const ServerConfig& config) {
    const auto value = at<Path...>(config);
    return value == 0 ? std::vector<CommandLine>() : one_line({std::to_string(value)});
  };
  return binding;
}

// std::optional<unsigned> or std::optional<std::string>.
template <auto... Path>
constexpr SettingBinding maybe() {
  return {[](ServerConfig& config, const CommandLine& line) {
            auto& value = at<Path...>(config);
            if constexpr (requires { *value + 1u; })
              value = static_cast<unsigned>(number_of(line.values[0][0]));
            else
              value = line.values[0][0];
            return Refusal();
          },
          [](ServerConfig& config, const CommandLine&, const ServerConfig&) { at<Path...>(config).reset(); },
          restore<Path...>,
          [](const ServerConfig& config) {
            const auto& value = at<Path...>(config);
            if (!value) return std::vector<CommandLine>();
            if constexpr (requires { *value + 1u; })
              return one_line({std::to_string(*value)});
            else
              return one_line({*value});
          }};
}

// Empty is "not set" and has no line.
template <auto... Path>
constexpr SettingBinding text() {
  return {[](ServerConfig& config, const CommandLine& line) {
            at<Path...>(config) = line.values[0][0];
            return Refusal();
          },
          restore<Path...>, restore<Path...>,
          [](const ServerConfig& config) {
            const std::string& value = at<Path...>(config);
            return value.empty() ? std::vector<CommandLine>() : one_line({value});
          }};
}

// Enumerators in the order of the words; the last pattern value is the word.
template <const auto& kWords, auto... Path>
constexpr SettingBinding choice() {
  return {[](ServerConfig& config, const CommandLine& line) {
            auto& value = at<Path...>(config);
            const auto found = std::find(kWords.begin(), kWords.end(), line.values[0][0]);
            value = static_cast<std::remove_reference_t<decltype(value)>>(found - kWords.begin());
            return Refusal();
          },
          restore<Path...>, restore<Path...>,
          [](const ServerConfig& config) {
            return one_line({std::string(kWords[static_cast<size_t>(at<Path...>(config))])});
          }};
}

// A list that a line gives as a whole, each of its names once.
template <auto... Path>
constexpr SettingBinding names() {
  return {[](ServerConfig& config, const CommandLine& line) {
            auto& list = at<Path...>(config);
            list.clear();
            for (const std::string& name : line.values[0])
              if (std::find(list.begin(), list.end(), name) == list.end()) list.push_back(name);
            return Refusal();
          },
          [](ServerConfig& config, const CommandLine&, const ServerConfig&) { at<Path...>(config).clear(); },
          restore<Path...>,
          [](const ServerConfig& config) {
            const auto& list = at<Path...>(config);
            return list.empty() ? std::vector<CommandLine>() : one_line(list);
          }};
}

}  // namespace sluice::binding
