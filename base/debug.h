// What operators want told of what happens: a mask that is looked at where something happens. While it is zero that
// costs a load and a branch that is never taken.
#pragma once

#include <atomic>
#include <cstdint>

namespace sluice {

// Kinds of lines, as bits.
inline constexpr uint32_t kDebugDetail = 1;  // the protocol and channel requests
inline constexpr uint32_t kDebugPacket = 2;
inline constexpr uint32_t kDebugScp = 4;
inline constexpr uint32_t kDebugAll = 7;

inline std::atomic<uint32_t> debug_wanted{0};

inline bool debugging(uint32_t kinds) {
  return __builtin_expect((debug_wanted.load(std::memory_order_relaxed) & kinds) != 0, 0);
}

}  // namespace sluice
