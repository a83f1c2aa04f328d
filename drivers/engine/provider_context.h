// What the provider knows as a whole: the libraries' context in which OpenSSL's own implementations are found.
#pragma once

#include <openssl/core.h>
#include <openssl/types.h>

#include "drivers/engine/served_list.h"

namespace sluice {

struct ProviderContext {
  OSSL_LIB_CTX* library = nullptr;  // a child of the program's, or null, its default one
  std::array<OSSL_ALGORITHM, kServedCiphers.size() + 1> served{};
  std::array<OSSL_ALGORITHM, 2> macs{};
};

// Of a row of kServedCiphers.
const OSSL_DISPATCH* provider_cipher(size_t row);
// Of one mode, for provider_cipher().
const OSSL_DISPATCH* provider_block_cipher(size_t row);
const OSSL_DISPATCH* provider_aead(size_t row);
const OSSL_DISPATCH* provider_hmac();
// Both kinds' constant facts.
int provider_cipher_facts(const ServedCipher& row, OSSL_PARAM params[]);
const OSSL_PARAM* provider_cipher_fact_names(void*);

using DispatchFunction = void (*)();

}  // namespace sluice
