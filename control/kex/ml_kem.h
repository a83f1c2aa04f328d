// ML-KEM-768 of FIPS 203: the post-quantum half of mlkem768x25519-sha256.
#pragma once

#include "control/kex/kem.h"

namespace sluice::ml_kem {

inline constexpr size_t kSeedSize = 32;
inline constexpr size_t kEncapsulationKeySize = 1184;
inline constexpr size_t kDecapsulationKeySize = 2400;
inline constexpr size_t kCiphertextSize = 1088;

KemKeyPair generate();
// malformed_message for a wrong length, key_exchange_value for a key with a coefficient that is not below q.
Result<Encapsulation> encapsulate(Bytes encapsulation_key);
Result<Secret> decapsulate(const Secret& decapsulation_key, Bytes ciphertext);

// The same with the randomness given (FIPS 203 algorithms 16 and 17), for known answers.
KemKeyPair generate_from(Bytes d, Bytes z);
Result<Encapsulation> encapsulate_with(Bytes encapsulation_key, Bytes m);

}  // namespace sluice::ml_kem
