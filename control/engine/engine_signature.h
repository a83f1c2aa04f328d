// A signature by the engine, with a key whose numbers are ours.
#pragma once

#include <openssl/types.h>

#include <optional>
#include <vector>

#include "base/bytes.h"
#include "control/engine/key_engine.h"

namespace sluice {

// By whatever holds the key; nothing where it failed.
std::optional<std::vector<uint8_t>> signature_by(ENGINE* engine, EVP_PKEY* key, const EVP_MD* digest, Bytes data);
// As libcrypto gives it, verified. Nothing where the engine does not sign with such keys, or failed, which is counted.
std::optional<std::vector<uint8_t>> engine_signature(EVP_PKEY* key, const EVP_MD* digest, Bytes data);

}  // namespace sluice
