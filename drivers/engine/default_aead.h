// DefaultAead: a message that OpenSSL's default implementation does, since its AAD is too long to be held.
#pragma once

#include <openssl/evp.h>

#include <memory>

#include "base/bytes.h"

namespace sluice {

class DefaultAead {
 public:
  // Null where the default provider has no such cipher, or without memory. name as libcrypto knows it.
  static std::unique_ptr<DefaultAead> begin(OSSL_LIB_CTX* library, const char* name, bool encrypt, Bytes key, Bytes iv);
  std::unique_ptr<DefaultAead> clone() const;

  bool add_aad(Bytes aad);
  bool update(uint8_t* dst, const uint8_t* src, size_t n);
  // Where it seals, the tag is written; where it opens, the tag that came is spoiled if it is not the right one.
  void finish(MutableBytes tag);

 private:
  struct Free {
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
  };
  std::unique_ptr<EVP_CIPHER_CTX, Free> context_{EVP_CIPHER_CTX_new()};
};

}  // namespace sluice
