// Making the contexts of a key.
#include "drivers/openssl_keys.h"

#include <openssl/err.h>

namespace sluice {
namespace {

const EVP_CIPHER* by_key_size(size_t bytes, const EVP_CIPHER* k16, const EVP_CIPHER* k24, const EVP_CIPHER* k32) {
  return bytes == 16 ? k16 : bytes == 24 ? k24 : k32;
}

const EVP_CIPHER* bare_block_cipher(const CipherSuite& suite) {
  if (suite.kind() == CipherKind::des3_cbc) return EVP_des_ede3_ecb();
  return by_key_size(suite.cipher->key_bytes, EVP_aes_128_ecb(), EVP_aes_192_ecb(), EVP_aes_256_ecb());
}

bool prepare_length_block(OpenSslKey& key, const CipherSuite& suite, Bytes cipher_key) {
  key.length_block.reset(EVP_CIPHER_CTX_new());
  // CTR reads a length with one encryption of the counter, CBC with one decryption of the block.
  const int encrypt = suite.kind() == CipherKind::aes_ctr ? 1 : 0;
  return key.length_block &&
         EVP_CipherInit_ex(key.length_block.get(), bare_block_cipher(suite), nullptr, cipher_key.data(), nullptr,
                           encrypt) == 1 &&
         EVP_CIPHER_CTX_set_padding(key.length_block.get(), 0) == 1;
}

bool prepare_poly1305(OpenSslKey& key, Bytes cipher_key) {
  std::memcpy(key.chacha.data(), cipher_key.data(), key.chacha.size());
  EVP_MAC* mac = EVP_MAC_fetch(nullptr, "POLY1305", nullptr);
  if (mac == nullptr) return false;
  key.poly1305.reset(EVP_MAC_CTX_new(mac));
  EVP_MAC_free(mac);
  return key.poly1305 != nullptr;
}

bool prepare_all(OpenSslKey& key, const CipherSuite& suite, Direction direction, const KeyMaterial& keys,
                 const OpenSslEngine* engine) {
  key.cipher.reset(EVP_CIPHER_CTX_new());
  if (!key.cipher || EVP_CipherInit_ex(key.cipher.get(), evp_cipher(suite), engine ? engine->get() : nullptr,
                                       keys.cipher_key.data(), nullptr, direction == Direction::seal ? 1 : 0) != 1) {
    return false;
  }
  EVP_CIPHER_CTX_set_padding(key.cipher.get(), 0);
  if (suite.mac) key.hmac = make_openssl_hmac(suite.mac_kind(), keys.mac_key);
  if (suite.length_form == LengthForm::first_block && !prepare_length_block(key, suite, keys.cipher_key)) return false;
  return suite.kind() != CipherKind::chacha20_poly1305 || prepare_poly1305(key, keys.cipher_key);
}

}  // namespace

OpenSslKey::~OpenSslKey() { wipe(chacha.data(), chacha.size()); }

const EVP_CIPHER* evp_cipher(const CipherSuite& suite) {
  const size_t key = suite.cipher->key_bytes;
  switch (suite.kind()) {
    case CipherKind::none: break;
    case CipherKind::aes_gcm: return key == 16 ? EVP_aes_128_gcm() : EVP_aes_256_gcm();
    case CipherKind::chacha20_poly1305: return EVP_chacha20();
    case CipherKind::aes_ctr: return by_key_size(key, EVP_aes_128_ctr(), EVP_aes_192_ctr(), EVP_aes_256_ctr());
    case CipherKind::aes_cbc: return by_key_size(key, EVP_aes_128_cbc(), EVP_aes_192_cbc(), EVP_aes_256_cbc());
    case CipherKind::des3_cbc: return EVP_des_ede3_cbc();
  }
  return nullptr;
}

ResultOrText<std::unique_ptr<PreparedKey>> expand_openssl_key(const CipherSuite& suite, Direction direction,
                                                              const KeyMaterial& keys, const OpenSslEngine* engine) {
  auto key = std::make_unique<OpenSslKey>(suite);
  if (!prepare_all(*key, suite, direction, keys, engine)) {
    std::array<char, 160> why{};
    ERR_error_string_n(ERR_get_error(), why.data(), why.size());
    ERR_clear_error();
    return fail("OpenSSL cannot prepare " + suite.name() + ": " + why.data());
  }
  return key;
}

}  // namespace sluice
