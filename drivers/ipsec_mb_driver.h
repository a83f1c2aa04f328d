// The ipsec_mb driver: records sealed and opened by Intel's multi-buffer library on the CPU's vector units.
#pragma once

#include <memory>

#include "crypto_offload/crypto_driver.h"

namespace sluice {

// Null with the reason where the CPU lacks what the library needs.
ResultOrText<std::unique_ptr<CryptoDriver>> make_ipsec_mb_driver();

}  // namespace sluice
