// One agreement's arithmetic: by the engine where there is one for it, else, or after its failure, by software.
#pragma once

#include <openssl/types.h>

#include "base/secret.h"
#include "control/engine/key_engine.h"

namespace sluice {

// False where software too finds nothing: the peer's value is bad.
bool derive_somewhere(std::string_view what, EVP_PKEY* own, EVP_PKEY* peer, Secret& shared);

// out = base ^ exponent mod modulus; false when the engine failed.
bool power_by(KeyEngine& engine, BIGNUM* out, const BIGNUM* base, const BIGNUM* exponent, const BIGNUM* modulus,
              BN_CTX* context);

}  // namespace sluice
