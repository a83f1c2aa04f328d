// Rows of the suite table to rte_crypto transforms, and the questions that they raise to a device's capabilities.
#include "drivers/cryptodev_suites.h"

#include <string>

#include "base/check.h"

namespace sluice {
namespace {

// The length field is all that GCM authenticates without encrypting it (RFC 5647 section 7.3).
constexpr uint16_t kAadBytes = 4;
// An mbuf's length has sixteen bits.
constexpr uint32_t kLongestAead = 65535;
// HMAC of multi-buffer software stops one short of that, and the sequence number is hashed too.
constexpr uint32_t kLongestChain = 65534 - 4;
// What the IPsec and 3GPP users of these devices need: many count in the low 32 bits of AES-CTR's block only.
constexpr uint8_t kCounterBits = 32;

rte_crypto_cipher_algorithm cipher_algorithm(CipherKind kind) {
  switch (kind) {
    case CipherKind::aes_ctr: return RTE_CRYPTO_CIPHER_AES_CTR;
    case CipherKind::aes_cbc: return RTE_CRYPTO_CIPHER_AES_CBC;
    case CipherKind::des3_cbc: return RTE_CRYPTO_CIPHER_3DES_CBC;
    default: SLUICE_CHECK(false && "not a cipher that is chained with a MAC");
  }
  return RTE_CRYPTO_CIPHER_NULL;
}

rte_crypto_auth_algorithm auth_algorithm(MacKind kind) {
  switch (kind) {
    case MacKind::hmac_md5: return RTE_CRYPTO_AUTH_MD5_HMAC;
    case MacKind::hmac_sha1: return RTE_CRYPTO_AUTH_SHA1_HMAC;
    case MacKind::hmac_sha256: return RTE_CRYPTO_AUTH_SHA256_HMAC;
    case MacKind::hmac_sha512: return RTE_CRYPTO_AUTH_SHA512_HMAC;
    case MacKind::none: break;
  }
  SLUICE_CHECK(false && "no MAC");
  return RTE_CRYPTO_AUTH_NULL;
}

uint16_t size16(size_t n) { return static_cast<uint16_t>(n); }

std::string range_text(const rte_crypto_param_range& range) {
  std::string text = std::to_string(range.min);
  if (range.max != range.min) text.append("..").append(std::to_string(range.max));
  return text;
}

std::string bytes_text(size_t n) { return std::to_string(n); }

Support lacks_aead(const CipherSuite& suite, const rte_cryptodev_symmetric_capability& has) {
  return Support::no("its AES-GCM takes keys of " + range_text(has.aead.key_size) + ", tags of " +
                     range_text(has.aead.digest_size) + ", AAD of " + range_text(has.aead.aad_size) + " and IVs of " +
                     range_text(has.aead.iv_size) + " bytes; the suite needs " + bytes_text(suite.cipher->key_bytes) +
                     ", " + bytes_text(suite.tag_bytes) + ", " + bytes_text(kAadBytes) + " and " +
                     bytes_text(suite.cipher->iv_bytes));
}

Support capable_aead(uint8_t device, const CipherSuite& suite) {
  rte_cryptodev_sym_capability_idx index{};
  index.type = RTE_CRYPTO_SYM_XFORM_AEAD;
  index.algo.aead = RTE_CRYPTO_AEAD_AES_GCM;
  const auto* has = rte_cryptodev_sym_capability_get(device, &index);
  if (has == nullptr) return Support::no("it has no AES-GCM");
  if (rte_cryptodev_sym_capability_check_aead(has, suite.cipher->key_bytes, suite.tag_bytes, kAadBytes,
                                              suite.cipher->iv_bytes) != 0) {
    return lacks_aead(suite, *has);
  }
  return {true, {}, kLongestAead, 128, 1};
}

Support capable_chain(uint8_t device, const rte_cryptodev_info& info, const CipherSuite& suite) {
  rte_cryptodev_sym_capability_idx index{};
  index.type = RTE_CRYPTO_SYM_XFORM_CIPHER;
  index.algo.cipher = cipher_algorithm(suite.kind());
  const auto* cipher = rte_cryptodev_sym_capability_get(device, &index);
  const std::string name = suite.kind() == CipherKind::aes_ctr   ? "AES-CTR"
                           : suite.kind() == CipherKind::aes_cbc ? "AES-CBC"
                                                                 : "3DES-CBC";
  if (cipher == nullptr) return Support::no("it has no " + name);
  if (rte_cryptodev_sym_capability_check_cipher(cipher, suite.cipher->key_bytes, suite.cipher->iv_bytes) != 0) {
    return Support::no("its " + name + " takes keys of " + range_text(cipher->cipher.key_size) + " and IVs of " +
                       range_text(cipher->cipher.iv_size) + " bytes; the suite needs " +
                       bytes_text(suite.cipher->key_bytes) + " and " + bytes_text(suite.cipher->iv_bytes));
  }
  const uint8_t counter_bits = suite.kind() == CipherKind::aes_ctr ? kCounterBits : uint8_t{128};
  if (!suite.mac) return {true, {}, kLongestChain, counter_bits, 1};
  index.type = RTE_CRYPTO_SYM_XFORM_AUTH;
  index.algo.auth = auth_algorithm(suite.mac_kind());
  const auto* auth = rte_cryptodev_sym_capability_get(device, &index);
  const std::string mac(suite.mac->ssh_name.substr(0, suite.mac->ssh_name.find('@')));
  if (auth == nullptr) return Support::no("it has no HMAC for " + mac);
  if (rte_cryptodev_sym_capability_check_auth(auth, suite.mac->key_bytes, suite.tag_bytes, 0) != 0) {
    return Support::no("its HMAC for " + mac + " takes keys of " + range_text(auth->auth.key_size) + " and tags of " +
                       range_text(auth->auth.digest_size) + " bytes; the suite needs " +
                       bytes_text(suite.mac->key_bytes) + " and " + bytes_text(suite.tag_bytes));
  }
  if ((info.feature_flags & RTE_CRYPTODEV_FF_SYM_OPERATION_CHAINING) == 0) {
    return Support::no("it cannot chain a cipher with a MAC");
  }
  return {true, {}, kLongestChain, counter_bits, 1};
}

void set_aead(rte_crypto_aead_xform& aead, const CipherSuite& suite, Direction direction, const KeyMaterial& keys,
              uint16_t iv_offset) {
  aead.op = direction == Direction::seal ? RTE_CRYPTO_AEAD_OP_ENCRYPT : RTE_CRYPTO_AEAD_OP_DECRYPT;
  aead.algo = RTE_CRYPTO_AEAD_AES_GCM;
  aead.key = {keys.cipher_key.data(), size16(keys.cipher_key.size())};
  aead.iv = {iv_offset, suite.cipher->iv_bytes};
  aead.digest_length = suite.tag_bytes;
  aead.aad_length = kAadBytes;
}

}  // namespace

SuiteTransforms::SuiteTransforms(const CipherSuite& suite, Direction direction, const KeyMaterial& keys,
                                 Verdict verdict, uint16_t iv_offset) {
  if (suite.is_aead()) {
    pair[0].type = RTE_CRYPTO_SYM_XFORM_AEAD;
    set_aead(pair[0].aead, suite, direction, keys, iv_offset);
    first = &pair[0];
    return;
  }
  const bool seal = direction == Direction::seal;
  rte_crypto_sym_xform& cipher = pair[0];
  cipher.type = RTE_CRYPTO_SYM_XFORM_CIPHER;
  // rte_crypto knows encryption only for counter mode, where it is decryption too.
  const bool encrypts = seal || suite.kind() == CipherKind::aes_ctr;
  const bool as_encryption = encrypts && (seal || verdict == Verdict::ours);
  cipher.cipher.op = as_encryption ? RTE_CRYPTO_CIPHER_OP_ENCRYPT : RTE_CRYPTO_CIPHER_OP_DECRYPT;
  cipher.cipher.algo = cipher_algorithm(suite.kind());
  cipher.cipher.key = {keys.cipher_key.data(), size16(keys.cipher_key.size())};
  cipher.cipher.iv = {iv_offset, suite.cipher->iv_bytes};
  if (!suite.mac) {
    first = &cipher;
    return;
  }
  rte_crypto_sym_xform& auth = pair[1];
  auth.type = RTE_CRYPTO_SYM_XFORM_AUTH;
  auth.auth.op = verdict == Verdict::ours ? RTE_CRYPTO_AUTH_OP_GENERATE : RTE_CRYPTO_AUTH_OP_VERIFY;
  auth.auth.algo = auth_algorithm(suite.mac_kind());
  auth.auth.key = {keys.mac_key.data(), size16(keys.mac_key.size())};
  auth.auth.digest_length = suite.tag_bytes;
  // EtM hashes what is on the wire, the older MACs what is in the record.
  const bool cipher_first = seal == suite.is_etm();
  first = cipher_first ? &cipher : &auth;
  first->next = cipher_first ? &auth : &cipher;
}

std::span<const Verdict> verdicts(const CipherSuite& suite, Direction direction) {
  static constexpr std::array kOurs{Verdict::ours};
  static constexpr std::array kDevice{Verdict::device};
  static constexpr std::array kEither{Verdict::ours, Verdict::device};
  if (direction == Direction::seal) return kOurs;
  // Deciphering CBC and generating a MAC in one session is in no device's table of chains.
  return suite.kind() == CipherKind::aes_ctr ? std::span<const Verdict>(kEither) : kDevice;
}

Support capable(uint8_t device, const rte_cryptodev_info& info, const CipherSuite& suite) {
  if ((info.feature_flags & RTE_CRYPTODEV_FF_SYMMETRIC_CRYPTO) == 0) return Support::no("it has no symmetric crypto");
  switch (suite.kind()) {
    case CipherKind::none: return Support::no("protects nothing");
    case CipherKind::aes_gcm: return capable_aead(device, suite);
    case CipherKind::chacha20_poly1305:
      return Support::no(
          "a device's ChaCha20-Poly1305 is RFC 8439's: one key, no encrypted length, padding and lengths under the "
          "tag");
    case CipherKind::aes_ctr:
    case CipherKind::aes_cbc:
    case CipherKind::des3_cbc: return capable_chain(device, info, suite);
  }
  return Support::no("unknown cipher");
}

}  // namespace sluice
