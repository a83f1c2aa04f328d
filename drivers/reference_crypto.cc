// One context a call, no reuse, no cleverness.
#include "drivers/reference_crypto.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/check.h"
#include "base/random.h"

namespace sluice {
namespace {

const EVP_CIPHER* cipher_by_name(const CipherSuite& suite) {
  const std::string_view name = suite.cipher->ssh_name;
  if (name == "aes128-gcm@openssh.com") return EVP_aes_128_gcm();
  if (name == "aes256-gcm@openssh.com") return EVP_aes_256_gcm();
  if (name == "aes128-ctr") return EVP_aes_128_ctr();
  if (name == "aes192-ctr") return EVP_aes_192_ctr();
  if (name == "aes256-ctr") return EVP_aes_256_ctr();
  if (name == "aes128-cbc") return EVP_aes_128_cbc();
  if (name == "aes192-cbc") return EVP_aes_192_cbc();
  if (name == "aes256-cbc") return EVP_aes_256_cbc();
  SLUICE_CHECK(name == "3des-cbc");
  return EVP_des_ede3_cbc();
}

const EVP_MD* digest_by_name(const CipherSuite& suite) {
  const std::string_view name = suite.mac->ssh_name;
  if (name.starts_with("hmac-sha2-256")) return EVP_sha256();
  if (name.starts_with("hmac-sha2-512")) return EVP_sha512();
  if (name.starts_with("hmac-sha1")) return EVP_sha1();
  return EVP_md5();
}

void encrypt(const EVP_CIPHER* cipher, const uint8_t* key, const uint8_t* iv, uint8_t* data, size_t n, Bytes aad = {},
             uint8_t* tag = nullptr) {
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  int written = 0;
  SLUICE_CHECK(EVP_EncryptInit_ex(context, cipher, nullptr, key, iv) == 1);
  EVP_CIPHER_CTX_set_padding(context, 0);
  if (!aad.empty())
    SLUICE_CHECK(EVP_EncryptUpdate(context, nullptr, &written, aad.data(), static_cast<int>(aad.size())) == 1);
  SLUICE_CHECK(EVP_EncryptUpdate(context, data, &written, data, static_cast<int>(n)) == 1);
  SLUICE_CHECK(EVP_EncryptFinal_ex(context, data + written, &written) == 1);
  if (tag) SLUICE_CHECK(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, tag) == 1);
  EVP_CIPHER_CTX_free(context);
}

void poly1305(const uint8_t* key, Bytes data, uint8_t* tag) {
  EVP_PKEY* pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_POLY1305, nullptr, key, 32);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  size_t size = 16;
  SLUICE_CHECK(EVP_DigestSignInit(context, nullptr, nullptr, nullptr, pkey) == 1);
  SLUICE_CHECK(EVP_DigestSign(context, tag, &size, data.data(), data.size()) == 1);
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(pkey);
}

// OpenSSH's PROTOCOL.chacha20poly1305.
std::vector<uint8_t> seal_chacha(const ReferenceKeys& keys, uint32_t sequence, Bytes record) {
  std::vector<uint8_t> out(record.begin(), record.end());
  uint8_t iv[16] = {};
  store_be32(iv + 12, sequence);
  uint8_t poly_key[32] = {};
  encrypt(EVP_chacha20(), keys.cipher_key.data(), iv, poly_key, sizeof poly_key);
  encrypt(EVP_chacha20(), keys.cipher_key.data() + 32, iv, out.data(), 4);
  iv[0] = 1;
  encrypt(EVP_chacha20(), keys.cipher_key.data(), iv, out.data() + 4, out.size() - 4);
  uint8_t tag[16];
  poly1305(poly_key, out, tag);
  out.insert(out.end(), tag, tag + sizeof tag);
  return out;
}

std::vector<uint8_t> hmac(const CipherSuite& suite, const ReferenceKeys& keys, uint32_t sequence, Bytes data) {
  std::vector<uint8_t> input(4);
  store_be32(input.data(), sequence);
  input.insert(input.end(), data.begin(), data.end());
  std::vector<uint8_t> tag(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  HMAC(digest_by_name(suite), keys.mac_key.data(), static_cast<int>(keys.mac_key.size()), input.data(), input.size(),
       tag.data(), &size);
  tag.resize(suite.tag_bytes);
  return tag;
}

}  // namespace

ReferenceKeys random_keys(const CipherSuite& suite, uint64_t seed) {
  CheapRandom random(seed);
  ReferenceKeys keys;
  keys.cipher_key.resize(suite.cipher->key_bytes);
  keys.iv.resize(suite.cipher->iv_bytes);
  keys.mac_key.resize(suite.mac ? suite.mac->key_bytes : 0);
  for (auto* part : {&keys.cipher_key, &keys.iv, &keys.mac_key}) random.fill(*part);
  return keys;
}

std::vector<uint8_t> reference_seal(const CipherSuite& suite, const ReferenceKeys& keys, uint32_t sequence, Bytes iv,
                                    Bytes record) {
  if (suite.kind() == CipherKind::chacha20_poly1305) return seal_chacha(keys, sequence, record);
  std::vector<uint8_t> out(record.begin(), record.end());
  if (suite.kind() == CipherKind::aes_gcm) {
    uint8_t tag[16];
    encrypt(cipher_by_name(suite), keys.cipher_key.data(), iv.data(), out.data() + 4, out.size() - 4, record.first(4),
            tag);
    out.insert(out.end(), tag, tag + sizeof tag);
    return out;
  }
  std::vector<uint8_t> tag;
  if (suite.is_etm()) {
    encrypt(cipher_by_name(suite), keys.cipher_key.data(), iv.data(), out.data() + 4, out.size() - 4);
    tag = hmac(suite, keys, sequence, out);
  } else {
    tag = hmac(suite, keys, sequence, record);
    encrypt(cipher_by_name(suite), keys.cipher_key.data(), iv.data(), out.data(), out.size());
  }
  out.insert(out.end(), tag.begin(), tag.end());
  return out;
}

std::vector<uint8_t> frame_payload(const CipherSuite& suite, Bytes payload, uint64_t seed) {
  std::vector<uint8_t> record(record_length(suite, static_cast<uint32_t>(payload.size())));
  CheapRandom(seed).fill(record);
  store_be32(record.data(), static_cast<uint32_t>(record.size() - 4));
  record[4] = static_cast<uint8_t>(record.size() - 5 - payload.size());
  if (!payload.empty()) std::memcpy(record.data() + 5, payload.data(), payload.size());
  return record;
}

}  // namespace sluice
