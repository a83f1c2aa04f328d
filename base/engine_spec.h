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

// libcrypto binds an engine's module once a process, whoever asks: records, key exchange. So what `load` gave for a
// path is kept for good and given to the next one; null, and it is tried again. The pointer is libcrypto's ENGINE.
void* engine_module(const std::string& path, void* (*load)(const std::string& path));

}  // namespace sluice
