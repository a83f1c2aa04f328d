// OpenSSL contexts of one key: made by control, reused by the worker for every record, so that none allocates.
#pragma once

#include <openssl/evp.h>

#include "crypto_offload/crypto_driver.h"
#include "drivers/chacha20_first_blocks.h"
#include "drivers/openssl_engine.h"

namespace sluice {

template <auto kFree>
struct OpenSslDeleter {
  template <class T>
  void operator()(T* p) const {
    kFree(p);
  }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, OpenSslDeleter<EVP_CIPHER_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, OpenSslDeleter<EVP_MD_CTX_free>>;
using MacContext = std::unique_ptr<EVP_MAC_CTX, OpenSslDeleter<EVP_MAC_CTX_free>>;

struct OpenSslKey final : PreparedKey {
  explicit OpenSslKey(const CipherSuite& s) : suite(&s) {}
  ~OpenSslKey() override;

  const CipherSuite* suite;
  CipherContext cipher;
  CipherContext length_block;  // first_block suites: the bare block cipher
  DigestContext digest;
  MacContext poly1305;
  size_t digest_block = 0;
  // HMAC's key block xor 0x36 and xor 0x5c. HMAC over a reused digest context is the one form of OpenSSL 3.0 that
  // allocates nothing per record.
  std::array<uint8_t, 128> inner{};
  std::array<uint8_t, 128> outer{};
  std::array<uint8_t, 64> chacha{};  // payload key, length key
  ChachaLengthMasks length_masks;
};

const EVP_CIPHER* evp_cipher(const CipherSuite& suite);
ResultOrText<std::unique_ptr<PreparedKey>> expand_openssl_key(const CipherSuite& suite, Direction direction,
                                                              const KeyMaterial& keys, const OpenSslEngine* engine);

}  // namespace sluice
