// Eight blocks of Poly1305 side by side, in limbs of 44, 44 and 42 bits, by the 52-bit multiplication of AVX-512 IFMA.
//
// A lane takes every eighth block: it is multiplied with r^8 until the last round, where each lane has a power of its
// own. Products of limbs come as two halves of 52 bits, the upper of which weighs 2^8 of the next limb, 2^10 behind
// the shorter one; what is beyond 2^130 comes back five times, or twenty times from 2^132.
#include "drivers/poly1305.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace sluice {
namespace {

__extension__ typedef unsigned __int128 Wide;
typedef uint64_t Lanes __attribute__((vector_size(64)));

constexpr uint64_t kLow44 = (uint64_t{1} << 44) - 1;
constexpr uint64_t kLow42 = (uint64_t{1} << 42) - 1;
constexpr size_t kLanes = 8;
// Two loads of four blocks, zipped.
constexpr std::array<size_t, kLanes> kBlockOfLane{0, 4, 1, 5, 2, 6, 3, 7};

using Limbs = std::array<uint64_t, 3>;

Limbs limbs_of(const std::array<uint64_t, 3>& h) {
  return {h[0] & kLow44, (h[0] >> 44 | h[1] << 20) & kLow44, h[1] >> 24 | h[2] << 40};
}

// Of limbs that may be some bits too long.
std::array<uint64_t, 3> words_of(Limbs l) {
  l[1] += l[0] >> 44, l[0] &= kLow44;
  l[2] += l[1] >> 44, l[1] &= kLow44;
  l[0] += 5 * (l[2] >> 42), l[2] &= kLow42;
  Wide sum = Wide{l[0]} + (Wide{l[1]} << 44);
  const auto h0 = static_cast<uint64_t>(sum);
  sum = (sum >> 64) + (Wide{l[2]} << 24);
  return {h0, static_cast<uint64_t>(sum), static_cast<uint64_t>(sum >> 64)};
}

struct Number {
  Lanes l0, l1, l2;
};

#define SLUICE_IFMA [[gnu::target("avx512f,avx512vl,avx512ifma")]]

// sum += the lower or the upper half of a * b.
SLUICE_IFMA inline void add_low(Lanes& sum, const Lanes& a, const Lanes& b) {
  sum = reinterpret_cast<Lanes>(_mm512_madd52lo_epu64(reinterpret_cast<__m512i>(sum), reinterpret_cast<__m512i>(a),
                                                      reinterpret_cast<__m512i>(b)));
}
SLUICE_IFMA inline void add_high(Lanes& sum, const Lanes& a, const Lanes& b) {
  sum = reinterpret_cast<Lanes>(_mm512_madd52hi_epu64(reinterpret_cast<__m512i>(sum), reinterpret_cast<__m512i>(a),
                                                      reinterpret_cast<__m512i>(b)));
}

SLUICE_IFMA inline void multiply(Number& h, const Number& r) {
  const Lanes r1_twenty = r.l1 * 16 + r.l1 * 4, r2_twenty = r.l2 * 16 + r.l2 * 4;
  Number low{}, high{};
  add_low(low.l0, h.l2, r1_twenty), add_high(high.l0, h.l2, r1_twenty);
  add_low(low.l1, h.l2, r2_twenty), add_high(high.l1, h.l2, r2_twenty);
  add_low(low.l2, h.l2, r.l0), add_high(high.l2, h.l2, r.l0);
  add_low(low.l0, h.l0, r.l0), add_high(high.l0, h.l0, r.l0);
  add_low(low.l1, h.l0, r.l1), add_high(high.l1, h.l0, r.l1);
  add_low(low.l2, h.l0, r.l2), add_high(high.l2, h.l0, r.l2);
  add_low(low.l0, h.l1, r2_twenty), add_high(high.l0, h.l1, r2_twenty);
  add_low(low.l1, h.l1, r.l0), add_high(high.l1, h.l1, r.l0);
  add_low(low.l2, h.l1, r.l1), add_high(high.l2, h.l1, r.l1);
  low.l1 += (low.l0 >> 44) + (high.l0 << 8);
  low.l2 += (low.l1 >> 44) + (high.l1 << 8);
  const Lanes over = (low.l2 >> 42) + (high.l2 << 10);
  h.l0 = (low.l0 & kLow44) + over + (over << 2);
  h.l1 = (low.l1 & kLow44) + (h.l0 >> 44);
  h.l0 &= kLow44;
  h.l2 = low.l2 & kLow42;
}

// Eight blocks, each with its bit beyond the sixteen bytes.
SLUICE_IFMA inline void add(Number& h, const uint8_t* p) {
  Lanes a, b;
  std::memcpy(&a, p, sizeof a);
  std::memcpy(&b, p + sizeof a, sizeof b);
  const Lanes low = __builtin_shufflevector(a, b, 0, 8, 2, 10, 4, 12, 6, 14);
  const Lanes high = __builtin_shufflevector(a, b, 1, 9, 3, 11, 5, 13, 7, 15);
  h.l0 += low & kLow44;
  h.l1 += (low >> 44 | high << 20) & kLow44;
  h.l2 += high >> 24 | uint64_t{1} << 40;
}

SLUICE_IFMA inline uint64_t sum_of_lanes(const Lanes& v) {
  return (v[0] + v[1]) + (v[2] + v[3]) + ((v[4] + v[5]) + (v[6] + v[7]));
}

SLUICE_IFMA inline void square(const std::array<uint64_t, 3>& x, std::array<uint64_t, 3>& out) {
  Number n{Lanes{} + x[0], Lanes{} + x[1], Lanes{} + x[2]};
  multiply(n, n);
  out = {n.l0[0], n.l1[0], n.l2[0]};
}

}  // namespace

SLUICE_IFMA void poly1305_powers_ifma(const PolyState& state, PolyPowers& powers) {
  PolyState power{{state.r[0], state.r[1], 0}, state.r};
  constexpr std::array<uint8_t, kPolyBlockBytes> kNothing{};
  std::array<Limbs, kLanes> of;
  for (size_t i = 0; i < kLanes; ++i) {
    if (i > 0) poly1305_blocks(power, kNothing.data(), 1, 0);
    of[i] = limbs_of(power.h);
  }
  for (size_t limb = 0; limb < 3; ++limb) {
    for (size_t lane = 0; lane < kLanes; ++lane) powers.falling[limb][lane] = of[7 - kBlockOfLane[lane]][limb];
    powers.eighth[limb] = of[7][limb];
  }
  square(powers.eighth, powers.sixteenth);
  wipe(&of, sizeof of);
  wipe(&power, sizeof power);
}

SLUICE_IFMA void poly1305_blocks_ifma(PolyState& state, const PolyPowers& powers, const uint8_t* p, size_t blocks) {
  constexpr size_t kEight = kLanes * kPolyBlockBytes;
  const auto& [e0, e1, e2] = powers.eighth;
  const Number eighth{Lanes{} + e0, Lanes{} + e1, Lanes{} + e2};
  const auto [h0, h1, h2] = limbs_of(state.h);
  Number h{Lanes{h0}, Lanes{h1}, Lanes{h2}};
  add(h, p);
  p += kEight;
  size_t eights = blocks / kLanes - 1;
  if (eights >= 3) {
    const auto& [s0, s1, s2] = powers.sixteenth;
    const Number sixteenth{Lanes{} + s0, Lanes{} + s1, Lanes{} + s2};
    // Every second eight by itself, so that neither waits for the other's product.
    Number other{};
    add(other, p);
    p += kEight;
    for (--eights; eights >= 2; eights -= 2) {
      multiply(h, sixteenth);
      multiply(other, sixteenth);
      add(h, p);
      add(other, p + kEight);
      p += 2 * kEight;
    }
    multiply(h, eighth);
    h.l0 += other.l0, h.l1 += other.l1, h.l2 += other.l2;
  }
  for (; eights > 0; --eights) {
    multiply(h, eighth);
    add(h, p);
    p += kEight;
  }
  Number falling;
  std::memcpy(&falling, powers.falling.data(), sizeof falling);
  multiply(h, falling);
  state.h = words_of({sum_of_lanes(h.l0), sum_of_lanes(h.l1), sum_of_lanes(h.l2)});
}

#undef SLUICE_IFMA

}  // namespace sluice
#endif
