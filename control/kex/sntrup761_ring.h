// The arithmetic of Streamlined NTRU Prime 761: polynomials modulo x^761 - x - 1 with coefficients modulo 4591 or 3.
//
// Everything runs in constant time: the small polynomials are always secret. Coefficients are kept as the
// representative nearest to zero.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace sluice::sntrup761 {

inline constexpr size_t kP = 761;
inline constexpr int32_t kQ = 4591;
inline constexpr size_t kWeight = 286;

// Modulo 3: -1, 0, 1.
struct Small {
  std::array<int8_t, kP> c;
};
// Modulo 4591: -2295 to 2295.
struct Big {
  std::array<int16_t, kP> c;
};

void multiply(Big& product, const Big& a, const Small& b);
void multiply(Small& product, const Small& a, const Small& b);
void triple(Big& a);
// Every coefficient to the nearest multiple of 3.
void round_to_multiples_of_3(Big& a);
void reduce_mod_3(Small& out, const Big& a);

// 1 / (3 a); a short polynomial that is not zero has an inverse, since x^761 - x - 1 is irreducible modulo 4591.
void invert_triple(Big& inverse, const Small& a);
// False where `a` has no inverse modulo 3.
bool invert(Small& inverse, const Small& a);

// All ones where the number of coefficients other than zero differs from kWeight, else 0.
int32_t wrong_weight_mask(const Small& a);

// Ascending, by a network whose comparisons do not depend on the values.
void sort(std::array<uint32_t, kP>& values);

}  // namespace sluice::sntrup761
