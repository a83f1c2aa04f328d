// Sequence numbers and timestamps: 32 bits that wrap, compared as RFC 9293 section 3.4 says.
#pragma once

#include <cstdint>

namespace sluice {

inline bool seq_before(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b) < 0; }
inline bool seq_at_most(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b) <= 0; }
inline uint32_t seq_later(uint32_t a, uint32_t b) { return seq_before(a, b) ? b : a; }
inline uint32_t seq_earlier(uint32_t a, uint32_t b) { return seq_before(a, b) ? a : b; }

}  // namespace sluice
