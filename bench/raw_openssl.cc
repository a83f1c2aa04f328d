// OpenSSL's EVP with contexts and keys reused and only the IV reset. chacha20-poly1305 is its RFC 8439 AEAD, the
// fastest form that the library has of the two primitives.
#include <openssl/evp.h>

#include "base/bytes.h"
#include "base/check.h"
#include "bench/raw_library.h"

namespace sluice::bench {
namespace {

constexpr uint8_t kKey[64] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13,
                              14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25};
constexpr uint8_t kIv[16] = {7};

const EVP_CIPHER* cipher_of(const CipherSuite& suite) {
  const size_t key = suite.cipher->key_bytes;
  switch (suite.kind()) {
    case CipherKind::aes_gcm: return key == 16 ? EVP_aes_128_gcm() : EVP_aes_256_gcm();
    case CipherKind::chacha20_poly1305: return EVP_chacha20_poly1305();
    case CipherKind::aes_ctr: return key == 16 ? EVP_aes_128_ctr() : key == 24 ? EVP_aes_192_ctr() : EVP_aes_256_ctr();
    case CipherKind::aes_cbc: return key == 16 ? EVP_aes_128_cbc() : key == 24 ? EVP_aes_192_cbc() : EVP_aes_256_cbc();
    case CipherKind::des3_cbc: return EVP_des_ede3_cbc();
    case CipherKind::none: break;
  }
  return nullptr;
}

const EVP_MD* digest_of(MacKind kind) {
  switch (kind) {
    case MacKind::hmac_md5: return EVP_md5();
    case MacKind::hmac_sha1: return EVP_sha1();
    case MacKind::hmac_sha256: return EVP_sha256();
    case MacKind::hmac_sha512: return EVP_sha512();
    case MacKind::none: break;
  }
  return nullptr;
}

class RawOpenSsl final : public RawLibrary {
 public:
  explicit RawOpenSsl(const CipherSuite& suite) : suite_(suite) {
    SLUICE_CHECK(EVP_EncryptInit_ex(cipher_, cipher_of(suite), nullptr, kKey, kIv) == 1);
    EVP_CIPHER_CTX_set_padding(cipher_, 0);
    if (suite.mac) SLUICE_CHECK(EVP_DigestInit_ex(digest_, digest_of(suite.mac_kind()), nullptr) == 1);
  }
  ~RawOpenSsl() override {
    EVP_CIPHER_CTX_free(cipher_);
    EVP_MD_CTX_free(digest_);
  }

  void seal(uint8_t* first, size_t stride, size_t records, uint32_t length) override {
    for (size_t i = 0; i < records; ++i) {
      uint8_t* record = first + i * stride;
      suite_.is_aead() ? aead(record, length) : chain(record, length);
    }
  }

 private:
  void aead(uint8_t* record, uint32_t length) {
    int n;
    EVP_EncryptInit_ex(cipher_, nullptr, nullptr, nullptr, kIv);
    EVP_EncryptUpdate(cipher_, nullptr, &n, record, 4);
    EVP_EncryptUpdate(cipher_, record + 4, &n, record + 4, static_cast<int>(length - 4));
    EVP_EncryptFinal_ex(cipher_, record + length, &n);
    EVP_CIPHER_CTX_ctrl(cipher_, EVP_CTRL_AEAD_GET_TAG, 16, record + length);
  }

  void chain(uint8_t* record, uint32_t length) {
    int n;
    uint8_t tag[EVP_MAX_MD_SIZE];
    unsigned size;
    const auto block = static_cast<size_t>(EVP_MD_CTX_get_block_size(digest_));
    EVP_EncryptInit_ex(cipher_, nullptr, nullptr, nullptr, kIv);
    EVP_EncryptUpdate(cipher_, record + 4, &n, record + 4, static_cast<int>(length - 4));
    EVP_DigestInit_ex(digest_, nullptr, nullptr);
    EVP_DigestUpdate(digest_, pad_, block);
    EVP_DigestUpdate(digest_, record, length);
    EVP_DigestFinal_ex(digest_, tag, &size);
    EVP_DigestInit_ex(digest_, nullptr, nullptr);
    EVP_DigestUpdate(digest_, pad_, block);
    EVP_DigestUpdate(digest_, tag, size);
    EVP_DigestFinal_ex(digest_, tag, &size);
    std::memcpy(record + length, tag, suite_.tag_bytes);
  }

  const CipherSuite& suite_;
  EVP_CIPHER_CTX* cipher_ = EVP_CIPHER_CTX_new();
  EVP_MD_CTX* digest_ = EVP_MD_CTX_new();
  uint8_t pad_[128] = {};
};

}  // namespace

std::unique_ptr<RawLibrary> raw_openssl(const CipherSuite& suite) { return std::make_unique<RawOpenSsl>(suite); }

}  // namespace sluice::bench
