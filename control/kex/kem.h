// Kem: a key encapsulation mechanism as const data, so that a hybrid method needs to know only which one it has.
#pragma once

#include <vector>

#include "base/result.h"
#include "base/secret.h"

namespace sluice {

inline constexpr size_t kKemSecretSize = 32;

struct KemKeyPair {
  std::vector<uint8_t> public_key;
  Secret secret_key;
};

struct Encapsulation {
  std::vector<uint8_t> ciphertext;
  Secret shared;
};

struct Kem {
  size_t public_key_size;
  size_t ciphertext_size;
  KemKeyPair (*generate)();
  Result<Encapsulation> (*encapsulate)(Bytes public_key);
  // A forged ciphertext of the right length is no error: it gives a secret that only we know, so that the forger
  // learns nothing from our answer and the exchange fails at the first record.
  Result<Secret> (*decapsulate)(const Secret& secret_key, Bytes ciphertext);
};

extern const Kem kMlKem768;
extern const Kem kSntrup761;

}  // namespace sluice
