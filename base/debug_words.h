// Further kinds of lines for who debugs, beside those of debug.h.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/debug.h"

namespace sluice {

inline constexpr uint32_t kDebugWhole = 8;    // packets, in the words of who asked for everything
inline constexpr uint32_t kDebugClient = 16;  // of a client that a shell of operators starts
inline constexpr uint32_t kDebugPackets = kDebugPacket | kDebugWhole;
// Where a client's lines go, from any thread.
inline std::atomic<void (*)(std::string_view line)> client_debug_sink{nullptr};

inline void tell_client_debug(std::string_view line) {
  if (const auto sink = client_debug_sink.load(std::memory_order_relaxed)) sink(line);
}

// Of a server.
inline constexpr uint32_t kDebugServer = kDebugAll | kDebugWhole;

}  // namespace sluice
