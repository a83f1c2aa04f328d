// The rounds of chacha20 (RFC 8439 section 2.3) written over arrays of lanes, so that the compiler makes vectors of
// them.
#include "drivers/chacha20_first_blocks.h"

#include "base/bytes.h"

namespace sluice {
namespace {

// One word of the state in every lane: a vector register where the CPU has one that wide, several where not.
typedef uint32_t Lanes __attribute__((vector_size(4 * kChachaLanes)));
using State = std::array<Lanes, 16>;

[[gnu::always_inline]] inline void add(Lanes& a, const Lanes& b) { a += b; }

template <int kBits>
[[gnu::always_inline]] inline void xor_rotate(Lanes& a, const Lanes& b) {
  a ^= b;
  a = (a << kBits) | (a >> (32 - kBits));
}

[[gnu::always_inline]] inline void quarter_round(State& s, size_t a, size_t b, size_t c, size_t d) {
  add(s[a], s[b]), xor_rotate<16>(s[d], s[a]);
  add(s[c], s[d]), xor_rotate<12>(s[b], s[c]);
  add(s[a], s[b]), xor_rotate<8>(s[d], s[a]);
  add(s[c], s[d]), xor_rotate<7>(s[b], s[c]);
}

[[gnu::always_inline]] inline void rounds(State& s) {
  for (int i = 0; i < 10; ++i) {
    quarter_round(s, 0, 4, 8, 12);
    quarter_round(s, 1, 5, 9, 13);
    quarter_round(s, 2, 6, 10, 14);
    quarter_round(s, 3, 7, 11, 15);
    quarter_round(s, 0, 5, 10, 15);
    quarter_round(s, 1, 6, 11, 12);
    quarter_round(s, 2, 7, 8, 13);
    quarter_round(s, 3, 4, 9, 14);
  }
}

[[gnu::always_inline]] inline void blocks(const ChachaLane* lanes, size_t n, ChachaBlocks& out) {
  constexpr std::array<uint32_t, 4> kConstants{0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
  State start;
  for (size_t i = 0; i < 4; ++i) start[i] = Lanes{} + kConstants[i];
  for (size_t i = 4; i < 16; ++i) start[i] = Lanes{};
  for (size_t lane = 0; lane < n; ++lane) {
    for (size_t i = 0; i < 8; ++i) start[4 + i][lane] = load_le32(lanes[lane].key + 4 * i);
    // The nonce is the sequence number as eight bytes, big-endian; the block counter is 0.
    start[15][lane] = __builtin_bswap32(lanes[lane].sequence);
  }
  State state = start;
  rounds(state);
  for (size_t i = 0; i < 16; ++i) add(state[i], start[i]);
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
