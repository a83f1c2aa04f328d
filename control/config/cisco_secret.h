// What the routers' configurations hold in the place of passwords: type 7 texts, which hide a password from a glance.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sluice {

// Nothing for a text that is none.
std::optional<std::string> decode_type7(std::string_view text);

}  // namespace sluice
