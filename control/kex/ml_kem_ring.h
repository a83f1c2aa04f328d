// The polynomials of ML-KEM: R_q = Z_3329[X] / (X^256 + 1), its number-theoretic transform and its bit packing.
//
// FIPS 203 sections 4.2 and 4.3. Nothing here branches on, indexes by or divides a coefficient, since most of them are
// secret. Products carry Montgomery's factor 2^-16, which the function that ends a chain of products takes back out.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"

namespace sluice::ml_kem {

inline constexpr int32_t kQ = 3329;
inline constexpr size_t kN = 256;
inline constexpr size_t kRank = 3;

struct Poly {
  std::array<int16_t, kN> c;
};
struct PolyVector {
  std::array<Poly, kRank> p;
};

// Input below q in magnitude; output reduced.
void to_ntt(Poly& a);
// Also multiplies by 2^16: the input is a dot product.
void from_ntt_of_product(Poly& a);
// Sum of the products of the components, times 2^-16.
void dot_product(Poly& sum, const PolyVector& a, const PolyVector& b);
// Takes the factor of a dot product out again where the result stays in the NTT domain.
void undo_montgomery(Poly& a);

void add_reduced(Poly& a, const Poly& b);
void subtract_reduced(Poly& a, const Poly& b);

// 384 bytes of 12-bit coefficients. unpack_12 says whether all were below q (the check of FIPS 203 section 7.2).
void pack_12(const Poly& a, uint8_t* out);
bool unpack_12(Poly& a, const uint8_t* in);

// Compress and ByteEncode with d bits, for d = 1, 4 and 10: 32 d bytes.
template <unsigned kBits>
void compress(const Poly& a, uint8_t* out);
template <unsigned kBits>
void decompress(Poly& a, const uint8_t* in);

// 128 random bytes to coefficients of the centered binomial distribution with eta = 2.
void sample_binomial(Poly& a, const uint8_t* random);
// Takes uniform 12-bit candidates from `stream` and returns how many coefficients of `a` are filled from `filled` on.
size_t sample_uniform(Poly& a, size_t filled, Bytes stream);

}  // namespace sluice::ml_kem
