// BlockContext: one CTR or CBC cipher of the provider, with the block that is not whole yet.
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <string>

#include "drivers/engine/block_modes.h"
#include "drivers/engine/provider_context.h"

namespace sluice {

class BlockContext {
 public:
  BlockContext(const ServedCipher& row, const ProviderContext& provider);
  BlockContext(const BlockContext& other);
  BlockContext& operator=(const BlockContext&) = delete;
  ~BlockContext();
  // False for a copy for which there was no memory.
  bool whole() const { return tls_version_ == 0 || !key_set_ || row_->mode != ServedMode::cbc || tls_; }

  // Empty: as it was.
  bool init(bool encrypt, Bytes key, Bytes iv);
  // CBC: whole blocks.
  bool run(uint8_t* dst, const uint8_t* src, size_t n);
  bool update(uint8_t* out, size_t& out_bytes, size_t room, const uint8_t* in, size_t n);
  bool finish(uint8_t* out, size_t& out_bytes, size_t room);
  bool set_params(const OSSL_PARAM params[]);
  bool get_params(OSSL_PARAM params[]) const;

 private:
  struct Free {
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
  };
  bool update_cbc(uint8_t* out, size_t& out_bytes, size_t room, const uint8_t* in, size_t n);
  size_t unpadded() const;
  // Where records of TLS are its business.
  bool hand_to_default();

  const ServedCipher* row_;
  const ProviderContext* provider_;
  AesKey key_{};
  bool key_set_ = false;
  bool iv_set_ = false;
  bool encrypt_ = true;
  bool padding_ = true;
  unsigned used_ = 0;    // CTR: of block_, which is keystream
  size_t buffered_ = 0;  // CBC: of block_, which is input
  std::array<uint8_t, 16> iv_{};
  std::array<uint8_t, 16> first_iv_{};
  std::array<uint8_t, 16> block_{};
  unsigned tls_version_ = 0;
  size_t tls_mac_bytes_ = 0;
  std::unique_ptr<EVP_CIPHER_CTX, Free> tls_;
};

}  // namespace sluice
