// Streamlined NTRU Prime 761 (sntrup761): the post-quantum half of sntrup761x25519-sha512.
#pragma once

#include <functional>

#include "control/kex/kem.h"

namespace sluice::sntrup761 {

inline constexpr size_t kPublicKeySize = 1158;
inline constexpr size_t kSecretKeySize = 1763;
inline constexpr size_t kCiphertextSize = 1039;

KemKeyPair generate();
Result<Encapsulation> encapsulate(Bytes public_key);
Result<Secret> decapsulate(const Secret& secret_key, Bytes ciphertext);

// The same with the randomness given, for known answers: it is drawn in the order of the reference implementation.
using RandomSource = std::function<void(MutableBytes)>;
KemKeyPair generate_from(const RandomSource& random);
Result<Encapsulation> encapsulate_from(Bytes public_key, const RandomSource& random);

}  // namespace sluice::sntrup761
