// EngineSpec: an OpenSSL ENGINE as a person names it: NAME[,COMMAND[=VALUE]]..., NAME an id or a path.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice {

struct EngineSpec {
  std::string name;
  // Control commands, given in this order before the engine starts.
  std::vector<std::pair<std::string, std::string>> commands;

  bool is_path() const { return name.find('/') != std::string::npos; }
};

EngineSpec parse_engine_spec(std::string_view text);

}  // namespace sluice
