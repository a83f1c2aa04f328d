// DefaultAead: messages of one AEAD that OpenSSL's default implementation does, since it is the faster one for them or
// their AAD is too long to be held.
//
// Its functions are called as libcrypto would call them: by way of libcrypto an ENGINE of that cipher would get its own
// work back.
#pragma once

#include <openssl/core_dispatch.h>

#include <memory>
#include <optional>

#include "base/bytes.h"

namespace sluice {

class DefaultAead {
 public:
  // Null where this libcrypto has no such cipher, or without memory. name: the first one that libcrypto knows it by.
  static std::unique_ptr<DefaultAead> make(const char* name);
  ~DefaultAead();
  DefaultAead(const DefaultAead&) = delete;
  DefaultAead& operator=(const DefaultAead&) = delete;
  std::unique_ptr<DefaultAead> clone() const;

  // A message; the one before it need not have ended.
  bool begin(bool encrypt, Bytes key, Bytes iv);
  bool add_aad(Bytes aad);
  bool update(uint8_t* dst, const uint8_t* src, size_t n);
  // Where it seals, the tag is written; where it opens, the tag that came is spoiled if it is not the right one.
  void finish(MutableBytes tag);

 private:
  struct Functions {
    void* provider = nullptr;
    OSSL_FUNC_cipher_newctx_fn* make = nullptr;
    OSSL_FUNC_cipher_freectx_fn* drop = nullptr;
    OSSL_FUNC_cipher_dupctx_fn* copy = nullptr;
    OSSL_FUNC_cipher_encrypt_init_fn* seal = nullptr;
    OSSL_FUNC_cipher_decrypt_init_fn* open = nullptr;
    OSSL_FUNC_cipher_update_fn* update = nullptr;
    OSSL_FUNC_cipher_final_fn* finish = nullptr;
    OSSL_FUNC_cipher_get_ctx_params_fn* get = nullptr;
    OSSL_FUNC_cipher_set_ctx_params_fn* set = nullptr;
  };
  static std::optional<Functions> find(const char* name);
  DefaultAead(const Functions& functions, void* context) : functions_(functions), context_(context) {}

  Functions functions_;
  void* context_;
  bool encrypt_ = true;
};

}  // namespace sluice
