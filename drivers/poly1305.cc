// Numbers of 130 bits in words of 64, multiplied schoolbook-wise: what every CPU with a 64-bit multiplication has.
#include "drivers/poly1305.h"

#include <algorithm>

namespace sluice {
namespace {

__extension__ typedef unsigned __int128 Wide;

// From here on eight blocks at once are faster: of a piece, and of a message whose powers are to be made for it.
constexpr size_t kLeastPieceForVectors = 256;
constexpr uint64_t kLeastMessageForVectors = 512;

uint64_t load_le64(const uint8_t* p) {
  uint64_t v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

uint64_t low(Wide w) { return static_cast<uint64_t>(w); }
uint64_t high(Wide w) { return static_cast<uint64_t>(w >> 64); }

}  // namespace

// h = (h + block) * r modulo 2^130 - 5. The low bits of r's second word are clear, so that what is beyond 2^130 in a
// product with it is five quarters of it, exactly.
void poly1305_blocks(PolyState& state, const uint8_t* p, size_t blocks, uint64_t top) {
  const auto [r0, r1] = state.r;
  const uint64_t r1_over = r1 + (r1 >> 2);
  auto [h0, h1, h2] = state.h;
  for (; blocks > 0; --blocks, p += kPolyBlockBytes) {
    Wide sum = Wide{h0} + load_le64(p);
    h0 = low(sum);
    sum = Wide{h1} + load_le64(p + 8) + high(sum);
    h1 = low(sum);
    h2 += high(sum) + top;
    const Wide d0 = Wide{h0} * r0 + Wide{h1} * r1_over;
    const Wide d1 = Wide{h0} * r1 + Wide{h1} * r0 + Wide{h2 * r1_over} + high(d0);
    const uint64_t d2 = h2 * r0 + high(d1);
    // Both the quarter and the whole of what is beyond: four times five quarters.
    sum = Wide{low(d0)} + (d2 >> 2) + (d2 & ~uint64_t{3});
    h0 = low(sum);
    sum = Wide{low(d1)} + high(sum);
    h1 = low(sum);
    h2 = (d2 & 3) + high(sum);
  }
  state.h = {h0, h1, h2};
}

void Poly1305::start(const uint8_t* key) {
  state_ = {{0, 0, 0}, {load_le64(key) & 0x0ffffffc0fffffff, load_le64(key + 8) & 0x0ffffffc0ffffffc}};
  s_ = {load_le64(key + 16), load_le64(key + 24)};
  held_ = 0;
  hashed_ = 0;
  powers_made_ = false;
}

void Poly1305::blocks(const uint8_t* p, size_t n) {
#if defined(__x86_64__)
  hashed_ += n;
  if (level_ == VectorLevel::avx512 && n >= kLeastPieceForVectors && hashed_ >= kLeastMessageForVectors) {
    if (!powers_made_) poly1305_powers_ifma(state_, powers_);
    powers_made_ = true;
    const size_t eights = n / (8 * kPolyBlockBytes);
    poly1305_blocks_ifma(state_, powers_, p, 8 * eights);
    p += 8 * eights * kPolyBlockBytes;
    n -= 8 * eights * kPolyBlockBytes;
  }
#endif
  poly1305_blocks(state_, p, n / kPolyBlockBytes, 1);
}

void Poly1305::update(const uint8_t* p, size_t n) {
  if (held_ > 0) {
    const size_t taken = std::min(n, kPolyBlockBytes - held_);
    std::memcpy(block_.data() + held_, p, taken);
    held_ += taken;
    p += taken;
    n -= taken;
    if (held_ < kPolyBlockBytes) return;
    poly1305_blocks(state_, block_.data(), 1, 1);
  }
  held_ = n % kPolyBlockBytes;
  blocks(p, n - held_);
  if (held_ > 0) std::memcpy(block_.data(), p + n - held_, held_);
}

void Poly1305::pad() {
  if (held_ == 0) return;
  std::memset(block_.data() + held_, 0, kPolyBlockBytes - held_);
  poly1305_blocks(state_, block_.data(), 1, 1);
  held_ = 0;
}

void Poly1305::finish(uint8_t* tag) {
  if (held_ > 0) {
    block_[held_] = 1;
    std::memset(block_.data() + held_ + 1, 0, kPolyBlockBytes - held_ - 1);
    poly1305_blocks(state_, block_.data(), 1, 0);
    held_ = 0;
  }
  const auto [h0, h1, h2] = state_.h;
  // h - (2^130 - 5), if h is not less than that.
  Wide sum = Wide{h0} + 5;
  const uint64_t g0 = low(sum);
  sum = Wide{h1} + high(sum);
  const uint64_t g1 = low(sum);
  const uint64_t mask = 0 - ((h2 + high(sum)) >> 2);
  sum = Wide{(h0 & ~mask) | (g0 & mask)} + s_[0];
  const uint64_t t0 = low(sum);
  const uint64_t t1 = ((h1 & ~mask) | (g1 & mask)) + s_[1] + high(sum);
  std::memcpy(tag, &t0, sizeof t0);
  std::memcpy(tag + 8, &t1, sizeof t1);
}

}  // namespace sluice
