// Commas part commands; the first equals sign of one parts its value, in which others may stand.
#include "base/engine_spec.h"

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

}  // namespace sluice
