// ipsec-mb's direct calls for AEADs and chained jobs, all records in flight together, for the rest.
#include <intel-ipsec-mb.h>

#include "base/bytes.h"
#include "base/check.h"
#include "bench/raw_library.h"

namespace sluice::bench {
namespace {

constexpr uint8_t kIv[16] = {7};

class RawIpsecMb final : public RawLibrary {
 public:
  explicit RawIpsecMb(const CipherSuite& suite) : suite_(suite) {
    init_mb_mgr_auto(m_, nullptr);
    const uint8_t key[32] = {1, 2, 3};
    switch (suite.cipher->key_bytes) {
      case 16:
        IMB_AES128_GCM_PRE(m_, key, &gcm_);
        IMB_AES_KEYEXP_128(m_, key, encrypt_, decrypt_);
        break;
      case 24: IMB_AES_KEYEXP_192(m_, key, encrypt_, decrypt_); break;
      default: IMB_AES256_GCM_PRE(m_, key, &gcm_); IMB_AES_KEYEXP_256(m_, key, encrypt_, decrypt_);
    }
    run_gcm_ = suite.cipher->key_bytes == 16 ? m_->gcm128_enc : m_->gcm256_enc;
    if (suite.mac) prepare_job();
  }
  ~RawIpsecMb() override { free_mb_mgr(m_); }

  void seal(uint8_t* first, size_t stride, size_t records, uint32_t length) override {
    for (size_t i = 0; i < records; ++i) {
      uint8_t* record = first + i * stride;
      if (suite_.kind() == CipherKind::aes_gcm) {
        gcm_context_data context;
        run_gcm_(&gcm_, &context, record + 4, record + 4, length - 4, kIv, record, 4, record + length, 16);
      } else if (suite_.is_aead()) {
        chacha(record, length);
      } else {
        submit(record, length);
      }
    }
    if (suite_.mac) {
      while (IMB_FLUSH_JOB(m_) != nullptr) {}
    }
  }

 private:
  void prepare_job() {
    const bool des = suite_.kind() == CipherKind::des3_cbc;
    job_.cipher_mode = des ? IMB_CIPHER_DES3 : suite_.kind() == CipherKind::aes_ctr ? IMB_CIPHER_CNTR : IMB_CIPHER_CBC;
    job_.enc_keys = des ? static_cast<const void*>(des_pointers_) : encrypt_;
    job_.cipher_direction = IMB_DIR_ENCRYPT;
    job_.chain_order = IMB_ORDER_CIPHER_HASH;
    job_.key_len_in_bytes = suite_.cipher->key_bytes;
    job_.iv = kIv;
    job_.iv_len_in_bytes = suite_.cipher->iv_bytes;
    job_.hash_alg = suite_.mac_kind() == MacKind::hmac_md5      ? IMB_AUTH_MD5
                    : suite_.mac_kind() == MacKind::hmac_sha1   ? IMB_AUTH_HMAC_SHA_1
                    : suite_.mac_kind() == MacKind::hmac_sha256 ? IMB_AUTH_HMAC_SHA_256
                                                                : IMB_AUTH_HMAC_SHA_512;
    job_.u.HMAC._hashed_auth_key_xor_ipad = pad_;
    job_.u.HMAC._hashed_auth_key_xor_opad = pad_;
    job_.auth_tag_output_len_in_bytes = suite_.tag_bytes;
  }

  void submit(uint8_t* record, uint32_t length) {
    IMB_JOB* job = IMB_GET_NEXT_JOB(m_);
    *job = job_;
    job->src = record;
    job->dst = record + 4;
    job->cipher_start_src_offset_in_bytes = 4;
    job->msg_len_to_cipher_in_bytes = length - 4;
    job->msg_len_to_hash_in_bytes = length;
    job->auth_tag_output = record + length;
    IMB_SUBMIT_JOB_NOCHECK(m_);
  }

  void chacha(uint8_t* record, uint32_t length) {
    chacha20_poly1305_context_data context;
    IMB_CHACHA20_POLY1305_INIT(m_, encrypt_, &context, kIv, record, 4);
    IMB_CHACHA20_POLY1305_ENC_UPDATE(m_, encrypt_, &context, record + 4, record + 4, length - 4);
    IMB_CHACHA20_POLY1305_ENC_FINALIZE(m_, &context, record + length, 16);
  }

  const CipherSuite& suite_;
  IMB_MGR* m_ = alloc_mb_mgr(0);
  alignas(64) gcm_key_data gcm_;
  aes_gcm_enc_dec_t run_gcm_;
  IMB_JOB job_{};
  alignas(64) uint32_t encrypt_[60];
  alignas(64) uint32_t decrypt_[60];
  alignas(64) uint64_t des_[16] = {};
  const void* des_pointers_[3] = {des_, des_, des_};
  alignas(64) uint8_t pad_[64] = {};
};

}  // namespace

std::unique_ptr<RawLibrary> raw_ipsec_mb(const CipherSuite& suite) { return std::make_unique<RawIpsecMb>(suite); }

}  // namespace sluice::bench
