// Which end of a connection we are.
#pragma once

#include <cstdint>

namespace sluice {

enum class Role : uint8_t { client, server };

}  // namespace sluice
