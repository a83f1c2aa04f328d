// OpenSSL's legacy EVP_CIPHER objects over our modes, as an ENGINE hands them out.
#pragma once

#include <openssl/evp.h>

#include "drivers/engine/cipher_rows.h"

namespace sluice {

// Null without memory. Freed with EVP_CIPHER_meth_free.
EVP_CIPHER* make_engine_cipher(const ServedCipher& row);

}  // namespace sluice
