// Block 0 of chacha20 for many (key, sequence number) pairs at once, lane by lane across the vector registers.
//
// chacha20-poly1305@openssh.com needs two of them a record: one makes the Poly1305 key, one hides the length. Libraries
// compute such a block alone, at the price of a whole vector pass; sixteen together cost about the same.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace sluice {

inline constexpr size_t kChachaLanes = 16;

struct ChachaLane {
  const uint8_t* key;  // 32 bytes
  uint32_t sequence;
};

using ChachaBlocks = std::array<std::array<uint8_t, 64>, kChachaLanes>;

// Lanes beyond n are left as they are. n <= kChachaLanes.
void chacha20_first_blocks(const ChachaLane* lanes, size_t n, ChachaBlocks& out);

// What hides the lengths of one key's records, for sixteen sequence numbers at a time: a receiver asks for one after
// the other, and one vector pass answers the next sixteen.
class ChachaLengthMasks {
 public:
  ~ChachaLengthMasks();
  uint32_t mask(const uint8_t* key, uint32_t sequence);

 private:
  uint32_t first_ = 0;
  uint32_t count_ = 0;
  std::array<uint32_t, kChachaLanes> masks_{};
};

}  // namespace sluice
