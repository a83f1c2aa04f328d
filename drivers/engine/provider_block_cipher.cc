// CTR and CBC in the provider's words. An IV that nobody gave is zeros, as OpenSSL has it. CBC's blocks and padding are
// ours here, which for an ENGINE are EVP's.
//
// Records of TLS with CBC need padding removed in constant time; the default provider does those.
#include "drivers/engine/provider_block_cipher.h"

#include <openssl/core_names.h>

#include <algorithm>
#include <new>

#include "drivers/engine/lent_device.h"
#include "drivers/engine/provider_cipher_table.h"
#include "drivers/engine/refusal.h"

namespace sluice {
namespace {

constexpr size_t kBlock = 16;

struct BlockCipher {
  using Context = BlockContext;

  static Context* make(const ServedCipher& row, const ProviderContext& provider) {
    return new (std::nothrow) BlockContext(row, provider);
  }
  static Context* copy(const Context& context) {
    auto* twin = new (std::nothrow) BlockContext(context);
    if (twin == nullptr || twin->whole()) return twin;
    delete twin;
    return nullptr;
  }
  static bool init(Context& context, bool encrypt, Bytes key, Bytes iv, const OSSL_PARAM params[]) {
    return context.init(encrypt, key, iv) && context.set_params(params);
  }
  static bool update(Context& context, uint8_t* out, size_t& out_bytes, size_t room, const uint8_t* in, size_t n) {
    return context.update(out, out_bytes, room, in, n);
  }
  static bool finish(Context& context, uint8_t* out, size_t& out_bytes, size_t room) {
    return context.finish(out, out_bytes, room);
  }
  // EVP_Cipher(): whole blocks, no padding.
  static bool cipher(Context& context, uint8_t* out, size_t& out_bytes, size_t room, const uint8_t* in, size_t n) {
    out_bytes = 0;
    if (room < n) return refuse(PROV_R_OUTPUT_BUFFER_TOO_SMALL);
    if (!context.run(out, in, n)) return false;
    out_bytes = n;
    return true;
  }
  static bool set_params(Context& context, const OSSL_PARAM params[]) { return context.set_params(params); }
  static bool get_params(const Context& context, OSSL_PARAM params[]) { return context.get_params(params); }

  static inline const auto settable = std::to_array<OSSL_PARAM>({
      OSSL_PARAM_uint(OSSL_CIPHER_PARAM_PADDING, nullptr),
      OSSL_PARAM_uint(OSSL_CIPHER_PARAM_NUM, nullptr),
      OSSL_PARAM_uint(OSSL_CIPHER_PARAM_TLS_VERSION, nullptr),
      OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_TLS_MAC_SIZE, nullptr),
      OSSL_PARAM_END,
  });
  static inline const auto gettable = std::to_array<OSSL_PARAM>({
      OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, nullptr),
      OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_IVLEN, nullptr),
      OSSL_PARAM_uint(OSSL_CIPHER_PARAM_PADDING, nullptr),
      OSSL_PARAM_uint(OSSL_CIPHER_PARAM_NUM, nullptr),
      OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_IV, nullptr, 0),
      OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_UPDATED_IV, nullptr, 0),
      OSSL_PARAM_octet_ptr(OSSL_CIPHER_PARAM_TLS_MAC, nullptr, 0),
      OSSL_PARAM_END,
  });
};

}  // namespace

const OSSL_DISPATCH* provider_block_cipher(size_t row) { return ProviderCipherTable<BlockCipher>::of(row); }

BlockContext::BlockContext(const ServedCipher& row, const ProviderContext& provider)
    : row_(&row), provider_(&provider) {}

BlockContext::BlockContext(const BlockContext& o)
    : row_(o.row_),
      provider_(o.provider_),
      key_(o.key_),
      key_set_(o.key_set_),
      iv_set_(o.iv_set_),
      encrypt_(o.encrypt_),
      padding_(o.padding_),
      used_(o.used_),
      buffered_(o.buffered_),
      iv_(o.iv_),
      first_iv_(o.first_iv_),
      block_(o.block_),
      tls_version_(o.tls_version_),
      tls_mac_bytes_(o.tls_mac_bytes_) {
  if (!o.tls_) return;
  tls_.reset(EVP_CIPHER_CTX_new());
  if (tls_ && EVP_CIPHER_CTX_copy(tls_.get(), o.tls_.get()) != 1) tls_.reset();
}

BlockContext::~BlockContext() {
  LentDevice::forget({key_.encrypt.data(), key_.bytes});
  wipe(&key_, sizeof key_);
  wipe(block_.data(), block_.size());
}

bool BlockContext::init(bool encrypt, Bytes key, Bytes iv) {
  encrypt_ = encrypt;
  used_ = 0;
  buffered_ = 0;
  if (!iv.empty()) {
    if (iv.size() != kBlock) return refuse(PROV_R_INVALID_IV_LENGTH);
    std::memcpy(iv_.data(), iv.data(), kBlock);
    first_iv_ = iv_;
    iv_set_ = true;
  } else if (iv_set_ && row_->mode == ServedMode::cbc) {
    // The same message again, as OpenSSL has it.
    iv_ = first_iv_;
  }
  if (!key.empty()) {
    if (key_set_) LentDevice::forget({key_.encrypt.data(), key_.bytes});
    if (key.size() != row_->key_bytes) return refuse(PROV_R_INVALID_KEY_LENGTH);
    if (!expand_aes_key(key_, key)) return false;
    key_set_ = true;
  }
  tls_.reset();
  return tls_version_ == 0 || !key_set_ || hand_to_default();
}

bool BlockContext::hand_to_default() {
  tls_.reset();
  if (tls_version_ == 0 || row_->mode != ServedMode::cbc) return true;
  const char* names = row_->names;
  const std::string name(names, std::strcspn(names, ":"));
  EVP_CIPHER* cipher = EVP_CIPHER_fetch(provider_->library, name.c_str(), "provider=default");
  tls_.reset(EVP_CIPHER_CTX_new());
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_uint(OSSL_CIPHER_PARAM_TLS_VERSION, &tls_version_),
                               OSSL_PARAM_construct_size_t(OSSL_CIPHER_PARAM_TLS_MAC_SIZE, &tls_mac_bytes_),
                               OSSL_PARAM_construct_end()};
  // An expanded key begins with the key itself.
  const bool made =
      cipher != nullptr && tls_ &&
      EVP_CipherInit_ex2(tls_.get(), cipher, key_.encrypt.data(), iv_.data(), encrypt_ ? 1 : 0, nullptr) == 1 &&
      EVP_CIPHER_CTX_set_params(tls_.get(), params) == 1;
  EVP_CIPHER_free(cipher);
  if (!made) tls_.reset();
  return made;
}

bool BlockContext::run(uint8_t* dst, const uint8_t* src, size_t n) {
  if (!key_set_) return refuse(PROV_R_NO_KEY_SET);
  if (row_->mode == ServedMode::ctr) {
    CtrState state{iv_.data(), block_.data(), used_};
    aes_ctr(key_, state, dst, src, n);
    used_ = state.used;
    return true;
  }
  if (n % kBlock != 0) return refuse(PROV_R_WRONG_FINAL_BLOCK_LENGTH);
  (encrypt_ ? aes_cbc_encrypt : aes_cbc_decrypt)(key_, iv_.data(), dst, src, n);
  return true;
}

bool BlockContext::update(uint8_t* out, size_t& out_bytes, size_t room, const uint8_t* in, size_t n) {
  out_bytes = 0;
  if (!key_set_) return refuse(PROV_R_NO_KEY_SET);
  if (n == 0) return true;
  if (tls_version_ != 0 && row_->mode == ServedMode::cbc) {
    int written = 0;
    if (!tls_ || n > INT32_MAX || EVP_CipherUpdate(tls_.get(), out, &written, in, static_cast<int>(n)) != 1)
      return false;
    out_bytes = static_cast<size_t>(written);
    return true;
  }
  if (row_->mode == ServedMode::ctr) {
    if (room < n) return refuse(PROV_R_OUTPUT_BUFFER_TOO_SMALL);
    if (!run(out, in, n)) return false;
    out_bytes = n;
    return true;
  }
  return update_cbc(out, out_bytes, room, in, n);
}

// A block that may be the last one waits for the end when padding must come off it.
bool BlockContext::update_cbc(uint8_t* out, size_t& out_bytes, size_t room, const uint8_t* in, size_t n) {
  const bool hold_last = !encrypt_ && padding_;
  if (buffered_ > 0) {
    const size_t taken = std::min(n, kBlock - buffered_);
    std::memcpy(block_.data() + buffered_, in, taken);
    buffered_ += taken;
    in += taken;
    n -= taken;
    if (buffered_ == kBlock && (n > 0 || !hold_last)) {
      if (room < kBlock) return refuse(PROV_R_OUTPUT_BUFFER_TOO_SMALL);
      run(out, block_.data(), kBlock);
      out += kBlock;
      out_bytes = kBlock;
      buffered_ = 0;
    }
  }
  size_t whole = n - n % kBlock;
  if (hold_last && whole > 0 && whole == n) whole -= kBlock;
  if (whole > 0) {
    if (room < out_bytes + whole) return refuse(PROV_R_OUTPUT_BUFFER_TOO_SMALL);
    run(out, in, whole);
    out_bytes += whole;
    in += whole;
    n -= whole;
  }
  std::memcpy(block_.data() + buffered_, in, n);
  buffered_ += n;
  return true;
}

bool BlockContext::finish(uint8_t* out, size_t& out_bytes, size_t room) {
  out_bytes = 0;
  if (!key_set_) return refuse(PROV_R_NO_KEY_SET);
  if (row_->mode == ServedMode::ctr) return true;
  // Records have no end of their own.
  if (tls_version_ != 0) return refuse(PROV_R_CIPHER_OPERATION_FAILED);
  if (encrypt_ && padding_) {
    std::memset(block_.data() + buffered_, static_cast<int>(kBlock - buffered_), kBlock - buffered_);
    buffered_ = kBlock;
  }
  if (buffered_ == 0 && !padding_) return true;
  if (buffered_ != kBlock) return refuse(PROV_R_WRONG_FINAL_BLOCK_LENGTH);
  run(block_.data(), block_.data(), kBlock);
  const size_t n = encrypt_ || !padding_ ? kBlock : unpadded();
  if (n > kBlock) return refuse(PROV_R_BAD_DECRYPT);
  if (room < n) return refuse(PROV_R_OUTPUT_BUFFER_TOO_SMALL);
  buffered_ = 0;
  std::memcpy(out, block_.data(), n);
  out_bytes = n;
  return true;
}

// PKCS #7; more than a block where it is none.
size_t BlockContext::unpadded() const {
  const size_t pad = block_[kBlock - 1];
  if (pad == 0 || pad > kBlock) return kBlock + 1;
  const bool right = std::all_of(block_.end() - static_cast<ptrdiff_t>(pad), block_.end(),
                                 [pad](uint8_t byte) { return byte == pad; });
  return right ? kBlock - pad : kBlock + 1;
}

bool BlockContext::set_params(const OSSL_PARAM params[]) {
  bool tls = false;
  for (const OSSL_PARAM* p = params; p != nullptr && p->key != nullptr; ++p) {
    const std::string_view key = p->key;
    unsigned number = 0;
    bool fine = true;
    if (key == OSSL_CIPHER_PARAM_PADDING) {
      fine = OSSL_PARAM_get_uint(p, &number) == 1;
      padding_ = number != 0;
    } else if (key == OSSL_CIPHER_PARAM_NUM) {
      fine = OSSL_PARAM_get_uint(p, &number) == 1 && number < kBlock;
      if (fine) used_ = number;
    } else if (key == OSSL_CIPHER_PARAM_TLS_VERSION) {
      fine = tls = OSSL_PARAM_get_uint(p, &tls_version_) == 1;
    } else if (key == OSSL_CIPHER_PARAM_TLS_MAC_SIZE) {
      fine = tls = OSSL_PARAM_get_size_t(p, &tls_mac_bytes_) == 1;
    }
    if (!fine) return false;
  }
  return !tls || !key_set_ || hand_to_default();
}

bool BlockContext::get_params(OSSL_PARAM params[]) const {
  const auto octets = [](OSSL_PARAM* p, const std::array<uint8_t, kBlock>& bytes) {
    if (p->data_type == OSSL_PARAM_OCTET_PTR) return OSSL_PARAM_set_octet_ptr(p, bytes.data(), kBlock) == 1;
    return OSSL_PARAM_set_octet_string(p, bytes.data(), kBlock) == 1;
  };
  for (OSSL_PARAM* p = params; p != nullptr && p->key != nullptr; ++p) {
    const std::string_view key = p->key;
    bool fine = true;
    if (key == OSSL_CIPHER_PARAM_IVLEN) fine = OSSL_PARAM_set_size_t(p, kBlock) == 1;
    if (key == OSSL_CIPHER_PARAM_KEYLEN) fine = OSSL_PARAM_set_size_t(p, row_->key_bytes) == 1;
    if (key == OSSL_CIPHER_PARAM_PADDING) fine = OSSL_PARAM_set_uint(p, padding_ ? 1 : 0) == 1;
    if (key == OSSL_CIPHER_PARAM_NUM) fine = OSSL_PARAM_set_uint(p, used_) == 1;
    if (key == OSSL_CIPHER_PARAM_IV) fine = octets(p, first_iv_);
    if (key == OSSL_CIPHER_PARAM_UPDATED_IV) fine = octets(p, iv_);
    if (key == OSSL_CIPHER_PARAM_TLS_MAC && tls_) {
      OSSL_PARAM asked[] = {*p, OSSL_PARAM_construct_end()};
      fine = EVP_CIPHER_CTX_get_params(tls_.get(), asked) == 1;
      p->return_size = asked[0].return_size;
    }
    if (!fine) return false;
  }
  return true;
}

}  // namespace sluice
