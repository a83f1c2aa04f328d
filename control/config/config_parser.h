// A configuration's text becomes a ServerConfig, or a list of what is wrong with it and where.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "control/config/server_config.h"

namespace sluice {

// Bounds what a file that is none can make us read.
inline constexpr size_t kMaxConfigText = 16 << 20;
// More would tell nobody more.
inline constexpr size_t kMaxConfigMessages = 100;

// Where lines come from: a file by its path, a command line option by its name.
struct ConfigSource {
  std::string name;
  std::string_view text;
};

struct ConfigMessage {
  std::string source;
  size_t line = 0;  // from 1
  size_t column = 0;
  size_t length = 0;
  std::string what;
  std::vector<std::string> expected;
  std::string shown;  // the line

  // "FILE:3:25: out of range: ...; expected ...", the line, and marks under the word.
  std::string text() const;
  // Without the line, and without the word that is wrong: either may be a secret, and logs go far.
  std::string for_log() const;

 private:
  std::string head(std::string_view said) const;
};

struct ParsedConfig {
  ServerConfig config;
  std::vector<ConfigMessage> errors;
  std::vector<ConfigMessage> warnings;

  bool ok() const { return errors.empty(); }
};

// The sources follow each other. What they leave out has the default of the platform that they name.
ParsedConfig parse_config(std::span<const ConfigSource> sources, const Machine& machine);

}  // namespace sluice
