// A ServerConfig as lines that parse back to the same, and what changes from one to another.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "control/config/server_config.h"

namespace sluice {

struct WriteOptions {
  bool defaults = false;  // lines that say only what holds anyway
  bool secrets = true;    // false: for eyes that may not see them, and then it does not parse back to the same
};

std::string running_config(const ServerConfig& config, const Machine& machine, const WriteOptions& options = {});

// What a file says so that, with lines behind it that it does not have, it comes to `wanted`: where `whole` is what the
// file as it is and those lines come to, and `file` what it comes to alone, settings that only the lines gave and that
// are wanted still are left to them.
ServerConfig without_lines_behind(const ServerConfig& wanted, const ServerConfig& whole, const ServerConfig& file);

struct SettingChange {
  std::string_view setting;
  std::string before;  // its lines, without secrets; empty where there were none
  std::string after;
  std::string_view restart;  // why it waits for one; empty when it takes effect now
};

std::vector<SettingChange> diff(const ServerConfig& before, const ServerConfig& after);

}  // namespace sluice
