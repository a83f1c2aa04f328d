// Key expansion and the constant part of each suite's job.
#include "drivers/ipsec_mb_keys.h"

#include "base/check.h"

namespace sluice {
namespace {

std::unique_ptr<PreparedKey> gcm_key(IMB_MGR& m, const CipherSuite& suite, Direction direction, Bytes key) {
  auto out = std::make_unique<IpsecMbGcmKey>(suite);
  const bool seal = direction == Direction::seal;
  if (key.size() == 16) {
    IMB_AES128_GCM_PRE(&m, key.data(), &out->data);
    out->run = seal ? m.gcm128_enc : m.gcm128_dec;
  } else {
    IMB_AES256_GCM_PRE(&m, key.data(), &out->data);
    out->run = seal ? m.gcm256_enc : m.gcm256_dec;
  }
  return out;
}

void expand_aes(IMB_MGR& m, IpsecMbChainKey& out, Bytes key) {
  switch (key.size()) {
    case 16: IMB_AES_KEYEXP_128(&m, key.data(), out.encrypt.data(), out.decrypt.data()); break;
    case 24: IMB_AES_KEYEXP_192(&m, key.data(), out.encrypt.data(), out.decrypt.data()); break;
    default: IMB_AES_KEYEXP_256(&m, key.data(), out.encrypt.data(), out.decrypt.data()); break;
  }
  out.job.enc_keys = out.encrypt.data();
  out.job.dec_keys = out.decrypt.data();
}

void expand_des3(IMB_MGR& m, IpsecMbChainKey& out, Bytes key) {
  for (size_t i = 0; i < 3; ++i) {
    IMB_DES_KEYSCHED(&m, out.des[i].data(), key.data() + 8 * i);
    out.des_pointers[i] = out.des[i].data();
  }
  out.job.enc_keys = out.des_pointers.data();
  out.job.dec_keys = out.des_pointers.data();
}

IMB_HASH_ALG hash_of(MacKind kind) {
  switch (kind) {
    case MacKind::hmac_md5: return IMB_AUTH_MD5;
    case MacKind::hmac_sha1: return IMB_AUTH_HMAC_SHA_1;
    case MacKind::hmac_sha256: return IMB_AUTH_HMAC_SHA_256;
    case MacKind::hmac_sha512: return IMB_AUTH_HMAC_SHA_512;
    case MacKind::none: break;
  }
  return IMB_AUTH_NULL;
}

void one_hash_block(IMB_MGR& m, MacKind kind, const uint8_t* block, uint8_t* out) {
  switch (kind) {
    case MacKind::hmac_md5: IMB_MD5_ONE_BLOCK(&m, block, out); break;
    case MacKind::hmac_sha1: IMB_SHA1_ONE_BLOCK(&m, block, out); break;
    case MacKind::hmac_sha256: IMB_SHA256_ONE_BLOCK(&m, block, out); break;
    case MacKind::hmac_sha512: IMB_SHA512_ONE_BLOCK(&m, block, out); break;
    case MacKind::none: break;
  }
}

// RFC 2104: the hash states after the block of key xor 0x36, and of key xor 0x5c. No SSH MAC key exceeds a block.
void expand_hmac(IMB_MGR& m, IpsecMbChainKey& out, MacKind kind, Bytes key) {
  std::array<uint8_t, 128> block{};
  SLUICE_CHECK(key.size() <= 64);
  for (const auto& [pad, state] : {std::pair{uint8_t{0x36}, &out.ipad}, std::pair{uint8_t{0x5c}, &out.opad}}) {
    block.fill(pad);
    for (size_t i = 0; i < key.size(); ++i) block[i] = static_cast<uint8_t>(key[i] ^ pad);
    one_hash_block(m, kind, block.data(), state->data());
  }
  wipe(block.data(), block.size());
  out.job.u.HMAC._hashed_auth_key_xor_ipad = out.ipad.data();
  out.job.u.HMAC._hashed_auth_key_xor_opad = out.opad.data();
}

std::unique_ptr<PreparedKey> chain_key(IMB_MGR& m, const CipherSuite& suite, Direction direction,
                                       const KeyMaterial& keys) {
  auto out = std::make_unique<IpsecMbChainKey>(suite);
  const bool seal = direction == Direction::seal;
  out->direction = direction;
  IMB_JOB& job = out->job;
  if (suite.kind() == CipherKind::des3_cbc) {
    expand_des3(m, *out, keys.cipher_key);
    job.cipher_mode = IMB_CIPHER_DES3;
  } else {
    expand_aes(m, *out, keys.cipher_key);
    job.cipher_mode = suite.kind() == CipherKind::aes_ctr ? IMB_CIPHER_CNTR : IMB_CIPHER_CBC;
  }
  expand_hmac(m, *out, suite.mac_kind(), keys.mac_key);
  job.cipher_direction = seal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
  // EtM authenticates ciphertext, the older MACs plaintext: in each direction that settles what comes first.
  job.chain_order = seal == suite.is_etm() ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
  job.hash_alg = hash_of(suite.mac_kind());
  job.key_len_in_bytes = suite.cipher->key_bytes;
  job.iv_len_in_bytes = suite.cipher->iv_bytes;
  job.auth_tag_output_len_in_bytes = suite.tag_bytes;
  job.hash_start_src_offset_in_bytes = 0;  // job.src is the sequence number, four bytes before the record
  job.cipher_start_src_offset_in_bytes = 4u + suite.encrypted_from;
  return out;
}

}  // namespace

IpsecMbChainKey::~IpsecMbChainKey() {
  wipe(encrypt.data(), sizeof encrypt);
  wipe(decrypt.data(), sizeof decrypt);
  wipe(des.data(), sizeof des);
  wipe(ipad.data(), sizeof ipad);
  wipe(opad.data(), sizeof opad);
}

std::unique_ptr<PreparedKey> expand_ipsec_mb_key(IMB_MGR& m, const CipherSuite& suite, Direction direction,
                                                 const KeyMaterial& keys) {
  if (suite.kind() == CipherKind::aes_gcm) return gcm_key(m, suite, direction, keys.cipher_key);
  if (suite.kind() == CipherKind::chacha20_poly1305) {
    auto out = std::make_unique<IpsecMbChachaKey>(suite);
    std::memcpy(out->bytes.data(), keys.cipher_key.data(), out->bytes.size());
    return out;
  }
  return chain_key(m, suite, direction, keys);
}

}  // namespace sluice
