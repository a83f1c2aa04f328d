// OpenSSL contexts of one key: made by control, reused by the worker for every record, so that none allocates.
#pragma once

#include <openssl/evp.h>

#include "base/freed.h"
#include "crypto_offload/crypto_driver.h"
#include "drivers/chacha20_first_blocks.h"
#include "drivers/openssl_engine.h"
#include "drivers/openssl_hmac.h"

namespace sluice {

using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, Freed<EVP_CIPHER_CTX_free>>;
using MacContext = std::unique_ptr<EVP_MAC_CTX, Freed<EVP_MAC_CTX_free>>;

struct OpenSslKey final : PreparedKey {
  explicit OpenSslKey(const CipherSuite& s) : suite(&s) {}
  ~OpenSslKey() override;

  const CipherSuite* suite;
  CipherContext cipher;
  CipherContext length_block;  // first_block suites: the bare block cipher
  std::unique_ptr<OpenSslHmac> hmac;
  MacContext poly1305;
  std::array<uint8_t, 64> chacha{};  // payload key, length key
  ChachaLengthMasks length_masks;
};

const EVP_CIPHER* evp_cipher(const CipherSuite& suite);
ResultOrText<std::unique_ptr<PreparedKey>> expand_openssl_key(const CipherSuite& suite, Direction direction,
                                                              const KeyMaterial& keys, const OpenSslEngine* engine);

}  // namespace sluice
