// The rounds of chacha20 (RFC 8439 section 2.3) over vectors of words, so that the compiler makes them of whatever
// registers the function has that they are inlined into.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace sluice {

// "expand 32-byte k"
inline constexpr std::array<uint32_t, 4> kChachaConstants{0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};

template <size_t kWords>
struct WordVector {
  typedef uint32_t Type __attribute__((vector_size(4 * kWords)));
};

template <int kBits, typename V>
[[gnu::always_inline]] inline void xor_rotate(V& a, const V& b) {
  a ^= b;
  a = (a << kBits) | (a >> (32 - kBits));
}

template <typename V>
[[gnu::always_inline]] inline void quarter_round(V& a, V& b, V& c, V& d) {
  a += b, xor_rotate<16>(d, a);
  c += d, xor_rotate<12>(b, c);
  a += b, xor_rotate<8>(d, a);
  c += d, xor_rotate<7>(b, c);
}

// A vector for each word of the state, a block in each of its lanes.
template <typename V>
[[gnu::always_inline]] inline void chacha_double_round(std::array<V, 16>& s) {
  quarter_round(s[0], s[4], s[8], s[12]);
  quarter_round(s[1], s[5], s[9], s[13]);
  quarter_round(s[2], s[6], s[10], s[14]);
  quarter_round(s[3], s[7], s[11], s[15]);
  quarter_round(s[0], s[5], s[10], s[15]);
  quarter_round(s[1], s[6], s[11], s[12]);
  quarter_round(s[2], s[7], s[8], s[13]);
  quarter_round(s[3], s[4], s[9], s[14]);
}

}  // namespace sluice
