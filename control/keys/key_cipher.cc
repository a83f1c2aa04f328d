// Private key sections through libcrypto, and OpenSSH's own composition of ChaCha20 and Poly1305.
#include "control/keys/key_cipher.h"

#include <openssl/core_names.h>
#include <openssl/err.h>

#include <array>
#include <vector>

#include "base/check.h"
#include "control/keys/libcrypto.h"

namespace sluice {
namespace {

constexpr size_t kPoly1305Bytes = 16;
constexpr size_t kChaChaKeyBytes = 32;
constexpr size_t kChaChaBlockBytes = 64;

constexpr std::array kCiphers{
    KeyCipher{"none", nullptr, KeyCipherMode::none, 0, 0, 8, 0},
    KeyCipher{"aes256-ctr", "AES-256-CTR", KeyCipherMode::counter, 32, 16, 16, 0},
    KeyCipher{"aes192-ctr", "AES-192-CTR", KeyCipherMode::counter, 24, 16, 16, 0},
    KeyCipher{"aes128-ctr", "AES-128-CTR", KeyCipherMode::counter, 16, 16, 16, 0},
    KeyCipher{"aes256-cbc", "AES-256-CBC", KeyCipherMode::chained, 32, 16, 16, 0},
    KeyCipher{"aes192-cbc", "AES-192-CBC", KeyCipherMode::chained, 24, 16, 16, 0},
    KeyCipher{"aes128-cbc", "AES-128-CBC", KeyCipherMode::chained, 16, 16, 16, 0},
    KeyCipher{"3des-cbc", "DES-EDE3-CBC", KeyCipherMode::chained, 24, 8, 8, 0},
    KeyCipher{"aes256-gcm@openssh.com", "AES-256-GCM", KeyCipherMode::gcm, 32, 12, 16, 16},
    KeyCipher{"aes128-gcm@openssh.com", "AES-128-GCM", KeyCipherMode::gcm, 16, 12, 16, 16},
    KeyCipher{"chacha20-poly1305@openssh.com", "ChaCha20", KeyCipherMode::chacha20_poly1305, 64, 0, 8, 16},
};

enum class Direction : int { open = 0, seal = 1 };

bool run(const KeyCipher& cipher, Direction direction, Bytes key_and_iv, Bytes in, MutableBytes out, MutableBytes tag) {
  const EvpCipher evp(EVP_CIPHER_fetch(nullptr, cipher.library_name, nullptr));
  const EvpCipherContext context(EVP_CIPHER_CTX_new());
  int size = 0;
  if (!evp || !context ||
      EVP_CipherInit_ex2(context.get(), evp.get(), key_and_iv.data(), key_and_iv.data() + cipher.key_size,
                         static_cast<int>(direction), nullptr) != 1 ||
      EVP_CIPHER_CTX_set_padding(context.get(), 0) != 1)
    return false;
  if (direction == Direction::open && !tag.empty() &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(tag.size()), tag.data()) != 1)
    return false;
  if (EVP_CipherUpdate(context.get(), out.data(), &size, in.data(), static_cast<int>(in.size())) != 1 ||
      static_cast<size_t>(size) != in.size() || EVP_CipherFinal_ex(context.get(), out.data() + size, &size) != 1)
    return false;
  return direction == Direction::open || tag.empty() ||
         EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, static_cast<int>(tag.size()), tag.data()) == 1;
}

// ChaCha20 as PROTOCOL.chacha20poly1305 uses it: 64-bit block counter, the sequence number, here zero, as nonce.
bool chacha20_from_block(uint8_t block, Bytes key, Bytes in, MutableBytes out) {
  const EvpCipher evp(EVP_CIPHER_fetch(nullptr, "ChaCha20", nullptr));
  const EvpCipherContext context(EVP_CIPHER_CTX_new());
  const uint8_t counter_and_nonce[16] = {block};
  int size = 0;
  return evp && context && EVP_EncryptInit_ex2(context.get(), evp.get(), key.data(), counter_and_nonce, nullptr) == 1 &&
         EVP_EncryptUpdate(context.get(), out.data(), &size, in.data(), static_cast<int>(in.size())) == 1;
}

// The tag over ciphertext. The second half of the key is for packet lengths, of which a file has none.
bool poly1305_tag(Bytes key, Bytes sealed, uint8_t* tag) {
  Secret zeros(kChaChaBlockBytes);
  Secret block(kChaChaBlockBytes);
  if (!chacha20_from_block(0, key.first(kChaChaKeyBytes), zeros.view(), block.view())) return false;
  const EvpMac mac(EVP_MAC_fetch(nullptr, "POLY1305", nullptr));
  const EvpMacContext context(mac ? EVP_MAC_CTX_new(mac.get()) : nullptr);
  size_t size = 0;
  return context && EVP_MAC_init(context.get(), block.data(), kChaChaKeyBytes, nullptr) == 1 &&
         EVP_MAC_update(context.get(), sealed.data(), sealed.size()) == 1 &&
         EVP_MAC_final(context.get(), tag, &size, kPoly1305Bytes) == 1 && size == kPoly1305Bytes;
}

}  // namespace

const KeyCipher* find_key_cipher(std::string_view name) {
  for (const KeyCipher& cipher : kCiphers)
    if (cipher.name == name) return &cipher;
  return nullptr;
}

KeyResult<Secret> open_key_section(const KeyCipher& cipher, Bytes key_and_iv, Bytes sealed, Bytes tag) {
  SLUICE_CHECK(key_and_iv.size() == static_cast<size_t>(cipher.key_size) + cipher.iv_size);
  if (sealed.empty() || sealed.size() % cipher.block_size != 0 || tag.size() != cipher.tag_size)
    return fail(KeyError::malformed);
  if (cipher.mode == KeyCipherMode::none) return Secret(sealed);
  Secret section(sealed.size());
  if (cipher.mode == KeyCipherMode::chacha20_poly1305) {
    uint8_t expected[kPoly1305Bytes];
    if (!poly1305_tag(key_and_iv, sealed, expected)) return fail(KeyError::crypto_library);
    if (!equal_in_constant_time(expected, tag.data(), tag.size())) return fail(KeyError::wrong_passphrase);
    if (!chacha20_from_block(1, key_and_iv.first(kChaChaKeyBytes), sealed, section.view()))
      return fail(KeyError::crypto_library);
    return section;
  }
  std::vector<uint8_t> own_tag(tag.begin(), tag.end());
  if (!run(cipher, Direction::open, key_and_iv, sealed, section.view(), own_tag)) {
    ERR_clear_error();
    return fail(KeyError::wrong_passphrase);
  }
  return section;
}

KeyResult<std::vector<uint8_t>> seal_key_section(const KeyCipher& cipher, Bytes key_and_iv, Bytes section) {
  SLUICE_CHECK(key_and_iv.size() == static_cast<size_t>(cipher.key_size) + cipher.iv_size);
  SLUICE_CHECK(cipher.mode != KeyCipherMode::none && section.size() % cipher.block_size == 0);
  std::vector<uint8_t> sealed(section.size() + cipher.tag_size);
  const MutableBytes out = MutableBytes(sealed).first(section.size());
  const MutableBytes tag = MutableBytes(sealed).last(cipher.tag_size);
  const bool done = cipher.mode == KeyCipherMode::chacha20_poly1305
                        ? chacha20_from_block(1, key_and_iv.first(kChaChaKeyBytes), section, out) &&
                              poly1305_tag(key_and_iv, out, tag.data())
                        : run(cipher, Direction::seal, key_and_iv, section, out, tag);
  if (!done) return fail(KeyError::crypto_library);
  return sealed;
}

}  // namespace sluice
