// Arithmetic modulo 3329 on signed 16-bit coefficients, and the transforms and packings that are made of it.
#include "control/kex/ml_kem_ring.h"

namespace sluice::ml_kem {
namespace {

constexpr int32_t power_mod_q(int32_t base, unsigned exponent) {
  int32_t result = 1;
  for (unsigned i = 0; i < exponent; ++i) result = result * base % kQ;
  return result;
}

constexpr int32_t kMontgomery = (1 << 16) % kQ;
constexpr int32_t kMontgomerySquared = kMontgomery * kMontgomery % kQ;

// q * kQInverse = 1 modulo 2^16, by Newton's iteration.
constexpr uint16_t kQInverse = [] {
  uint32_t x = 1;
  for (int i = 0; i < 5; ++i) x *= 2 - static_cast<uint32_t>(kQ) * x;
  return static_cast<uint16_t>(x);
}();
static_assert(static_cast<uint16_t>(kQInverse * static_cast<uint32_t>(kQ)) == 1);

constexpr unsigned reverse_7_bits(unsigned i) {
  unsigned reversed = 0;
  for (unsigned bit = 0; bit < 7; ++bit) reversed |= ((i >> bit) & 1) << (6 - bit);
  return reversed;
}

constexpr int16_t centered(int32_t x) { return static_cast<int16_t>(x > kQ / 2 ? x - kQ : x); }

// 17 is the primitive 256th root of unity of FIPS 203. Both tables are in Montgomery form.
constexpr std::array<int16_t, 128> kZetas = [] {
  std::array<int16_t, 128> zetas{};
  for (unsigned i = 0; i < 128; ++i) zetas[i] = centered(power_mod_q(17, reverse_7_bits(i)) * kMontgomery % kQ);
  return zetas;
}();
constexpr std::array<int16_t, 128> kGammas = [] {
  std::array<int16_t, 128> gammas{};
  for (unsigned i = 0; i < 128; ++i)
    gammas[i] = centered(power_mod_q(17, 2 * reverse_7_bits(i) + 1) * kMontgomery % kQ);
  return gammas;
}();

// x * 2^-16 modulo q, below q in magnitude for |x| < q * 2^15.
inline int16_t montgomery_reduce(int32_t x) {
  const auto multiple = static_cast<int16_t>(static_cast<uint16_t>(x) * kQInverse);
  return static_cast<int16_t>((x - multiple * kQ) >> 16);
}

inline int16_t multiply(int16_t a, int16_t b) { return montgomery_reduce(static_cast<int32_t>(a) * b); }

// The representative nearest to zero.
inline int16_t reduce(int16_t a) {
  constexpr int32_t kReciprocal = ((1 << 26) + kQ / 2) / kQ;
  const int32_t quotient = (kReciprocal * a + (1 << 25)) >> 26;
  return static_cast<int16_t>(a - quotient * kQ);
}

// The representative from 0 to q - 1.
inline uint16_t canonical(int16_t a) {
  const int16_t r = reduce(a);
  return static_cast<uint16_t>(r + ((r >> 15) & kQ));
}

// floor(n / q) for n below 2^22 by multiplication: a division's time may depend on what is divided, and here that is
// secret (the KyberSlash attacks). The reciprocal's error stays under 1/q for all such n.
inline uint32_t divide_by_q(uint32_t n) {
  constexpr uint64_t kReciprocal = (uint64_t{1} << 35) / kQ + 1;
  return static_cast<uint32_t>((n * kReciprocal) >> 35);
}

// Hands the d-bit values in order to `out`, least significant bit first.
template <unsigned kBits, class Value>
inline void pack(uint8_t* out, Value value) {
  uint32_t pending = 0;
  unsigned bits = 0;
  for (size_t i = 0; i < kN; ++i) {
    pending |= static_cast<uint32_t>(value(i)) << bits;
    for (bits += kBits; bits >= 8; bits -= 8) {
      *out++ = static_cast<uint8_t>(pending);
      pending >>= 8;
    }
  }
}

template <unsigned kBits, class Take>
inline void unpack(const uint8_t* in, Take take) {
  uint32_t pending = 0;
  unsigned bits = 0;
  for (size_t i = 0; i < kN; ++i) {
    for (; bits < kBits; bits += 8) pending |= static_cast<uint32_t>(*in++) << bits;
    take(i, pending & ((1u << kBits) - 1));
    pending >>= kBits;
    bits -= kBits;
  }
}

}  // namespace

// FIPS 203 algorithm 9.
void to_ntt(Poly& a) {
  size_t zeta = 1;
  for (size_t half = 128; half >= 2; half /= 2) {
    for (size_t start = 0; start < kN; start += 2 * half) {
      const int16_t root = kZetas[zeta++];
      for (size_t j = start; j < start + half; ++j) {
        const int16_t t = multiply(root, a.c[j + half]);
        a.c[j + half] = static_cast<int16_t>(a.c[j] - t);
        a.c[j] = static_cast<int16_t>(a.c[j] + t);
      }
    }
  }
  for (int16_t& c : a.c) c = reduce(c);
}

// FIPS 203 algorithm 10.
void from_ntt_of_product(Poly& a) {
  size_t zeta = 127;
  for (size_t half = 2; half <= 128; half *= 2) {
    for (size_t start = 0; start < kN; start += 2 * half) {
      const int16_t root = kZetas[zeta--];
      for (size_t j = start; j < start + half; ++j) {
        const int16_t t = a.c[j];
        a.c[j] = reduce(static_cast<int16_t>(t + a.c[j + half]));
        a.c[j + half] = multiply(root, static_cast<int16_t>(a.c[j + half] - t));
      }
    }
  }
  // 3303 = 1/128. One factor 2^16 is for this multiplication, the other for the product that came in.
  constexpr auto kScale = static_cast<int16_t>(3303 * kMontgomerySquared % kQ);
  for (int16_t& c : a.c) c = multiply(kScale, c);
}

// FIPS 203 algorithms 11 and 12, summed before the one reduction: six products below q^2 stay under q * 2^15.
void dot_product(Poly& sum, const PolyVector& a, const PolyVector& b) {
  for (size_t i = 0; i < kN / 2; ++i) {
    int32_t even = 0;
    int32_t odd = 0;
    for (size_t k = 0; k < kRank; ++k) {
      const int32_t a0 = a.p[k].c[2 * i];
      const int32_t a1 = a.p[k].c[2 * i + 1];
      const int32_t b0 = b.p[k].c[2 * i];
      const int32_t b1 = b.p[k].c[2 * i + 1];
      even += a0 * b0 + montgomery_reduce(a1 * b1) * kGammas[i];
      odd += a0 * b1 + a1 * b0;
    }
    sum.c[2 * i] = montgomery_reduce(even);
    sum.c[2 * i + 1] = montgomery_reduce(odd);
  }
}

void undo_montgomery(Poly& a) {
  for (int16_t& c : a.c) c = multiply(static_cast<int16_t>(kMontgomerySquared), c);
}

void add_reduced(Poly& a, const Poly& b) {
  for (size_t i = 0; i < kN; ++i) a.c[i] = reduce(static_cast<int16_t>(a.c[i] + b.c[i]));
}

void subtract_reduced(Poly& a, const Poly& b) {
  for (size_t i = 0; i < kN; ++i) a.c[i] = reduce(static_cast<int16_t>(a.c[i] - b.c[i]));
}

void pack_12(const Poly& a, uint8_t* out) {
  pack<12>(out, [&](size_t i) { return canonical(a.c[i]); });
}

bool unpack_12(Poly& a, const uint8_t* in) {
  uint32_t too_large = 0;
  unpack<12>(in, [&](size_t i, uint32_t value) {
    a.c[i] = static_cast<int16_t>(value);
    too_large |= (static_cast<uint32_t>(kQ) - 1 - value) >> 31;
  });
  return too_large == 0;
}

// FIPS 203 section 4.2.1: round(x * 2^d / q) modulo 2^d.
template <unsigned kBits>
void compress(const Poly& a, uint8_t* out) {
  pack<kBits>(out, [&](size_t i) {
    const uint32_t scaled = (static_cast<uint32_t>(canonical(a.c[i])) << kBits) + kQ / 2;
    return divide_by_q(scaled) & ((1u << kBits) - 1);
  });
}

template <unsigned kBits>
void decompress(Poly& a, const uint8_t* in) {
  unpack<kBits>(in, [&](size_t i, uint32_t value) {
    a.c[i] = static_cast<int16_t>((value * static_cast<uint32_t>(kQ) + (1u << (kBits - 1))) >> kBits);
  });
}

template void compress<1>(const Poly&, uint8_t*);
template void compress<4>(const Poly&, uint8_t*);
template void compress<10>(const Poly&, uint8_t*);
template void decompress<1>(Poly&, const uint8_t*);
template void decompress<4>(Poly&, const uint8_t*);
template void decompress<10>(Poly&, const uint8_t*);

// FIPS 203 algorithm 8: four bits a coefficient, the sum of two less the sum of the other two. The bits of eight
// coefficients are added side by side in one word.
void sample_binomial(Poly& a, const uint8_t* random) {
  for (size_t i = 0; i < kN / 8; ++i) {
    const uint32_t bits = load_le32(random + 4 * i);
    const uint32_t pairs = (bits & 0x55555555u) + ((bits >> 1) & 0x55555555u);
    for (unsigned j = 0; j < 8; ++j) {
      const auto plus = static_cast<int32_t>((pairs >> (4 * j)) & 3);
      const auto minus = static_cast<int32_t>((pairs >> (4 * j + 2)) & 3);
      a.c[8 * i + j] = static_cast<int16_t>(plus - minus);
    }
  }
}

// FIPS 203 algorithm 7. The matrix is public, so this one may branch.
size_t sample_uniform(Poly& a, size_t filled, Bytes stream) {
  for (size_t i = 0; i + 3 <= stream.size() && filled < kN; i += 3) {
    const int32_t first = stream[i] | (stream[i + 1] & 15) << 8;
    const int32_t second = stream[i + 1] >> 4 | stream[i + 2] << 4;
    if (first < kQ) a.c[filled++] = static_cast<int16_t>(first);
    if (second < kQ && filled < kN) a.c[filled++] = static_cast<int16_t>(second);
  }
  return filled;
}

}  // namespace sluice::ml_kem
