// Further kinds of lines for who debugs, beside those of debug.h.
#pragma once

#include <cstdint>

#include "base/debug.h"

namespace sluice {

inline constexpr uint32_t kDebugWhole = 8;    // packets, in the words of who asked for everything
inline constexpr uint32_t kDebugClient = 16;  // of a client that a shell of operators starts
inline constexpr uint32_t kDebugPackets = kDebugPacket | kDebugWhole;
// Of a server.
inline constexpr uint32_t kDebugServer = kDebugAll | kDebugWhole;

}  // namespace sluice
