// A lane is a (key, sequence number) pair.
#include "drivers/chacha20_first_blocks.h"

#include "base/bytes.h"
#include "drivers/chacha20_rounds.h"

namespace sluice {
namespace {

// One word of the state in every lane: a vector register where the CPU has one that wide, several where not.
using Lanes = WordVector<kChachaLanes>::Type;
using State = std::array<Lanes, 16>;

[[gnu::always_inline]] inline void blocks(const ChachaLane* lanes, size_t n, ChachaBlocks& out) {
  State start;
  for (size_t i = 0; i < 4; ++i) start[i] = Lanes{} + kChachaConstants[i];
  for (size_t i = 4; i < 16; ++i) start[i] = Lanes{};
  for (size_t lane = 0; lane < n; ++lane) {
    for (size_t i = 0; i < 8; ++i) start[4 + i][lane] = load_le32(lanes[lane].key + 4 * i);
    // The nonce is the sequence number as eight bytes, big-endian; the block counter is 0.
    start[15][lane] = __builtin_bswap32(lanes[lane].sequence);
  }
  State state = start;
  for (int i = 0; i < 10; ++i) chacha_double_round(state);
  for (size_t i = 0; i < 16; ++i) state[i] += start[i];
  for (size_t lane = 0; lane < n; ++lane) {
    for (size_t i = 0; i < 16; ++i) store_le32(out[lane].data() + 4 * i, state[i][lane]);
  }
  wipe(start.data(), sizeof start);
  wipe(state.data(), sizeof state);
}

#if defined(__x86_64__)
[[gnu::target("avx512f,avx512vl")]] void blocks_avx512(const ChachaLane* lanes, size_t n, ChachaBlocks& out) {
  blocks(lanes, n, out);
}
[[gnu::target("avx2")]] void blocks_avx2(const ChachaLane* lanes, size_t n, ChachaBlocks& out) {
  blocks(lanes, n, out);
}
#endif
void blocks_portable(const ChachaLane* lanes, size_t n, ChachaBlocks& out) { blocks(lanes, n, out); }

using BlocksFunction = void (*)(const ChachaLane*, size_t, ChachaBlocks&);

BlocksFunction best_for_this_cpu() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512vl")) return blocks_avx512;
  if (__builtin_cpu_supports("avx2")) return blocks_avx2;
#endif
  return blocks_portable;
}

}  // namespace

void chacha20_first_blocks(const ChachaLane* lanes, size_t n, ChachaBlocks& out) {
  static const BlocksFunction function = best_for_this_cpu();
  function(lanes, n, out);
}

ChachaLengthMasks::~ChachaLengthMasks() { wipe(masks_.data(), sizeof masks_); }

uint32_t ChachaLengthMasks::mask(const uint8_t* key, uint32_t sequence) {
  // Unsigned arithmetic: right across the wrap of sequence numbers too.
  if (sequence - first_ >= count_) {
    std::array<ChachaLane, kChachaLanes> lanes;
    for (uint32_t i = 0; i < kChachaLanes; ++i) lanes[i] = {key, sequence + i};
    ChachaBlocks blocks;
    chacha20_first_blocks(lanes.data(), lanes.size(), blocks);
    for (size_t i = 0; i < kChachaLanes; ++i) masks_[i] = load_be32(blocks[i].data());
    wipe(&blocks, sizeof blocks);
    first_ = sequence;
    count_ = kChachaLanes;
  }
  return masks_[sequence - first_];
}

}  // namespace sluice
