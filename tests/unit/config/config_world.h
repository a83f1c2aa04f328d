// For tests of the configuration: a machine that is always the same, and short ways to parse and to ask what went
// wrong.
#pragma once

#include <gtest/gtest.h>

#include "control/config/command_table.h"
#include "control/config/config_parser.h"
#include "control/config/running_config.h"

namespace sluice::test {

inline const Machine kMachine{4, uint64_t{8} << 30, true};

template <class... Parts>
std::string text(const Parts&... parts) {
  std::string out;
  (out.append(parts), ...);
  return out;
}

inline ParsedConfig parse(std::string_view lines) {
  const ConfigSource source{"test.conf", lines};
  return parse_config({&source, 1}, kMachine);
}

inline ServerConfig config_of(std::string_view lines) {
  ParsedConfig parsed = parse(lines);
  for (const ConfigMessage& error : parsed.errors) ADD_FAILURE() << error.text();
  return std::move(parsed.config);
}

// The first error, or nothing.
inline std::string error_of(std::string_view lines) {
  const ParsedConfig parsed = parse(lines);
  return parsed.ok() ? std::string() : parsed.errors.front().text();
}

inline std::string shown(std::string_view lines) { return running_config(config_of(lines), kMachine); }

}  // namespace sluice::test
