// The openssl driver: one record at a time by OpenSSL's EVP, on every CPU, for every suite, of every size.
#pragma once

#include <memory>
#include <string>

#include "crypto_offload/crypto_driver.h"

namespace sluice {

// With an engine id, ciphers are asked of that ENGINE; a suite whose cipher it lacks is not supported.
ResultOrText<std::unique_ptr<CryptoDriver>> make_openssl_driver(const std::string& engine_id = {});

}  // namespace sluice
