// Consecutive blocks of chacha20 (RFC 8439 section 2.4) of one key and nonce, as many side by side as vectors are wide.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace sluice {

inline constexpr size_t kChachaBlockBytes = 64;
inline constexpr size_t kChachaCounterWord = 12;

// The state that a block begins with: constants, key, block counter, nonce.
using ChachaState = std::array<uint32_t, 16>;
// key: 32 bytes, nonce: 12.
ChachaState chacha_state(const uint8_t* key, uint32_t counter, const uint8_t* nonce);

// From widest to what every CPU has.
enum class VectorLevel : uint8_t { avx512, avx2, portable };
// The best that this CPU has.
VectorLevel vector_level();

// `bytes` of dst become src XOR the keystream from the state's counter on; the state is left as it was. dst may be src.
struct ChachaRun {
  size_t bytes;
  void (*function)(const ChachaState& state, uint8_t* dst, const uint8_t* src);
};

inline constexpr size_t kMostChachaRunBytes = 16 * kChachaBlockBytes;

// A short run is what a vector holds, of at most kMostChachaRunBytes; a long one is the fastest for much.
struct ChachaRuns {
  ChachaRun one;
  ChachaRun many;
};
// Of a level that this CPU has.
ChachaRuns chacha_runs(VectorLevel level);

}  // namespace sluice
