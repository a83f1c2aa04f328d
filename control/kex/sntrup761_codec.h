// How Streamlined NTRU Prime 761 writes its polynomials as bytes.
#pragma once

#include "base/bytes.h"
#include "control/kex/sntrup761_ring.h"

namespace sluice::sntrup761 {

inline constexpr size_t kSmallSize = 191;
inline constexpr size_t kBigSize = 1158;
inline constexpr size_t kRoundedSize = 1007;

void encode(const Small& a, uint8_t* out);
void decode(Small& a, const uint8_t* in);

void encode(const Big& a, uint8_t* out);
void decode(Big& a, const uint8_t* in);

// For coefficients that are multiples of 3.
void encode_rounded(const Big& a, uint8_t* out);
void decode_rounded(Big& a, const uint8_t* in);

}  // namespace sluice::sntrup761
