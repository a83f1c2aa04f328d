// HMACs, and CBC with HMAC, of one message at a time: OpenSSL's EVP_MAC and stitched cipher beside ipsec-mb's jobs and
// libcrypto's low-level digests. What docs/adr/0009-hmac-of-one-message.md decides on.
#define OPENSSL_SUPPRESS_DEPRECATED
#define NO_COMPAT_IMB_API_053
#include <intel-ipsec-mb.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <chrono>
#include <cstdio>
#include <vector>

#include "base/check.h"
#include "drivers/engine/hmac_stream.h"

namespace sluice {
namespace {

std::vector<uint8_t> g_text(65536, 7);
const std::vector<uint8_t> g_key(32, 3);

// Nanoseconds of a call, the least of some rounds.
template <typename Call>
double time_of(Call call) {
  double least = 1e18;
  for (int round = 0; round < 5; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    size_t calls = 0;
    double ns = 0;
    do {
      for (int i = 0; i < 16; ++i) call();
      calls += 16;
      ns = std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count();
    } while (ns < 2e7);
    least = std::min(least, ns / static_cast<double>(calls));
  }
  return least;
}

double by_evp(const char* digest, size_t n) {
  EVP_MAC* mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  EVP_MAC_CTX* context = EVP_MAC_CTX_new(mac);
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, const_cast<char*>(digest), 0),
                               OSSL_PARAM_construct_end()};
  SLUICE_CHECK(EVP_MAC_init(context, g_key.data(), g_key.size(), params) == 1);
  uint8_t tag[64];
  size_t size = 0;
  const double ns = time_of([&] {
    EVP_MAC_init(context, nullptr, 0, nullptr);
    EVP_MAC_update(context, g_text.data(), n);
    EVP_MAC_final(context, tag, &size, sizeof tag);
  });
  EVP_MAC_CTX_free(context);
  EVP_MAC_free(mac);
  return ns;
}

double by_low_level(const char* digest, size_t n) {
  HmacStream stream;
  stream.set_key(*HmacStream::find(digest), g_key);
  uint8_t tag[64];
  return time_of([&] {
    stream.restart();
    stream.update({g_text.data(), n});
    stream.finish(tag);
  });
}

// One job, and no other one to be done beside it. CBC with the HMAC where the key has room.
double by_job(IMB_MGR* manager, IMB_HASH_ALG hash, uint64_t tag_bytes, size_t n, bool with_cbc) {
  alignas(64) static uint8_t keys[3][256];
  alignas(64) uint8_t tag[64];
  return time_of([&] {
    IMB_JOB* job = IMB_GET_NEXT_JOB(manager);
    job->cipher_mode = with_cbc ? IMB_CIPHER_CBC : IMB_CIPHER_NULL;
    job->cipher_direction = IMB_DIR_ENCRYPT;
    job->chain_order = IMB_ORDER_HASH_CIPHER;
    job->enc_keys = job->dec_keys = keys[0];
    job->key_len_in_bytes = 16;
    job->iv = keys[1];
    job->iv_len_in_bytes = 16;
    job->hash_alg = hash;
    job->src = g_text.data();
    job->dst = g_text.data();
    job->cipher_start_src_offset_in_bytes = 0;
    job->msg_len_to_cipher_in_bytes = n;
    job->hash_start_src_offset_in_bytes = 0;
    job->msg_len_to_hash_in_bytes = n;
    job->auth_tag_output = tag;
    job->auth_tag_output_len_in_bytes = tag_bytes;
    job->u.HMAC._hashed_auth_key_xor_ipad = keys[1];
    job->u.HMAC._hashed_auth_key_xor_opad = keys[2];
    IMB_JOB* done = IMB_SUBMIT_JOB(manager);
    if (done == nullptr) done = IMB_FLUSH_JOB(manager);
    SLUICE_CHECK(done != nullptr && done->status == IMB_STATUS_COMPLETED);
  });
}

// As libssl uses it: a record of TLS 1.2, n bytes of text.
double by_stitched(const char* name, size_t n) {
  EVP_CIPHER* cipher = EVP_CIPHER_fetch(nullptr, name, nullptr);
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  const uint8_t iv[16] = {};
  SLUICE_CHECK(cipher != nullptr && EVP_EncryptInit_ex(context, cipher, nullptr, g_key.data(), iv) == 1);
  EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_MAC_KEY, static_cast<int>(g_key.size()),
                      const_cast<uint8_t*>(g_key.data()));
  std::vector<uint8_t> record(n + 16 + 64);
  const double ns = time_of([&] {
    // The explicit IV is text to this cipher.
    const size_t length = n + 16;
    uint8_t aad[13] = {
        0, 0, 0, 0, 0, 0, 0, 0, 23, 3, 3, static_cast<uint8_t>(length >> 8), static_cast<uint8_t>(length)};
    const int pad = EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_TLS1_AAD, sizeof aad, aad);
    SLUICE_CHECK(pad > 0 && EVP_Cipher(context, record.data(), record.data(),
                                       static_cast<unsigned>(length) + static_cast<unsigned>(pad)) >= 0);
  });
  EVP_CIPHER_CTX_free(context);
  EVP_CIPHER_free(cipher);
  return ns;
}

int run() {
  IMB_MGR* manager = alloc_mb_mgr(0);
  SLUICE_CHECK(manager != nullptr);
  init_mb_mgr_auto(manager, nullptr);
  struct {
    const char* name;
    IMB_HASH_ALG hash;
    uint64_t tag_bytes;
    const char* stitched;
  } const kRows[] = {{"SHA1", IMB_AUTH_HMAC_SHA_1, 12, "AES-128-CBC-HMAC-SHA1"},
                     {"SHA2-256", IMB_AUTH_HMAC_SHA_256, 16, "AES-128-CBC-HMAC-SHA256"},
                     {"SHA2-512", IMB_AUTH_HMAC_SHA_512, 32, nullptr}};
  std::printf(
      "| ns of one message | bytes | EVP_MAC | low-level | ipsec-mb job | stitched with CBC | its ipsec-mb job |\n");
  std::printf("|---|---|---|---|---|---|---|\n");
  for (const auto& row : kRows) {
    for (const size_t n : {size_t{64}, size_t{256}, size_t{1024}, size_t{16368}}) {
      std::printf("| HMAC %s | %zu | %.0f | %.0f | %.0f |", row.name, n, by_evp(row.name, n), by_low_level(row.name, n),
                  by_job(manager, row.hash, row.tag_bytes, n, false));
      if (row.stitched != nullptr) {
        std::printf(" %.0f | %.0f |\n", by_stitched(row.stitched, n),
                    by_job(manager, row.hash, row.tag_bytes, n, true));
      } else {
        std::printf(" - | - |\n");
      }
    }
  }
  free_mb_mgr(manager);
  return 0;
}

}  // namespace
}  // namespace sluice

int main() { return sluice::run(); }
