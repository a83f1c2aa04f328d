// Commas part commands; the first equals sign of one parts its value, in which others may stand.
#include "base/engine_spec.h"

#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>

namespace sluice {

EngineSpec parse_engine_spec(std::string_view text) {
  EngineSpec spec;
  for (bool first = true; first || !text.empty(); first = false) {
    const size_t comma = text.find(',');
    const std::string_view part = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    if (first) {
      spec.name = part;
    } else if (!part.empty()) {
      const size_t equals = part.find('=');
      const std::string_view value = equals == std::string_view::npos ? std::string_view() : part.substr(equals + 1);
      spec.commands.emplace_back(part.substr(0, equals), value);
    }
  }
  return spec;
}

void* engine_module(const std::string& path, void* (*load)(const std::string& path)) {
  static std::mutex mutex;
  static auto& modules = *new std::map<std::string, void*>;
  // A link is the module that it leads to.
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr), std::free);
  const std::lock_guard lock(mutex);
  void*& kept = modules[real ? std::string(real.get()) : path];
  if (kept == nullptr) kept = load(path);
  return kept;
}

}  // namespace sluice
