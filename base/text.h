// joined(): one text from parts.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace sluice {

inline std::string joined(std::initializer_list<std::string_view> parts) {
  size_t size = 0;
  for (const std::string_view part : parts) size += part.size();
  std::string out;
  out.reserve(size);
  for (const std::string_view part : parts) out.append(part);
  return out;
}

}  // namespace sluice
