// The low-level digests are deprecated in OpenSSL 3; their warnings are silenced for this file.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "drivers/openssl_hmac.h"

#include <openssl/md5.h>
#include <openssl/sha.h>

#include <array>

#include "base/check.h"

namespace sluice {
namespace {

template <class State, auto kInit, auto kUpdate, auto kFinal, size_t kBlock, size_t kDigest>
class Hmac final : public OpenSslHmac {
 public:
  explicit Hmac(Bytes key) {
    SLUICE_CHECK(key.size() <= kBlock);
    hash_pad(inner_, key, 0x36);
    hash_pad(outer_, key, 0x5c);
  }
  ~Hmac() override {
    wipe(&inner_, sizeof inner_);
    wipe(&outer_, sizeof outer_);
  }

  void compute(uint32_t sequence, const uint8_t* record, size_t n, uint8_t* out) const override {
    std::array<uint8_t, 4> number;
    store_be32(number.data(), sequence);
    State state = inner_;
    kUpdate(&state, number.data(), number.size());
    kUpdate(&state, record, n);
    kFinal(out, &state);
    state = outer_;
    kUpdate(&state, out, kDigest);
    kFinal(out, &state);
  }

 private:
  static void hash_pad(State& state, Bytes key, uint8_t pad) {
    std::array<uint8_t, kBlock> block;
    block.fill(pad);
    for (size_t i = 0; i < key.size(); ++i) block[i] = static_cast<uint8_t>(block[i] ^ key[i]);
    kInit(&state);
    kUpdate(&state, block.data(), block.size());
    wipe(block.data(), block.size());
  }

  State inner_;
  State outer_;
};

using HmacMd5 = Hmac<MD5_CTX, MD5_Init, MD5_Update, MD5_Final, MD5_CBLOCK, MD5_DIGEST_LENGTH>;
using HmacSha1 = Hmac<SHA_CTX, SHA1_Init, SHA1_Update, SHA1_Final, SHA_CBLOCK, SHA_DIGEST_LENGTH>;
using HmacSha256 = Hmac<SHA256_CTX, SHA256_Init, SHA256_Update, SHA256_Final, SHA256_CBLOCK, SHA256_DIGEST_LENGTH>;
using HmacSha512 = Hmac<SHA512_CTX, SHA512_Init, SHA512_Update, SHA512_Final, SHA512_CBLOCK, SHA512_DIGEST_LENGTH>;

}  // namespace

std::unique_ptr<OpenSslHmac> make_openssl_hmac(MacKind kind, Bytes key) {
  switch (kind) {
    case MacKind::hmac_md5: return std::make_unique<HmacMd5>(key);
    case MacKind::hmac_sha1: return std::make_unique<HmacSha1>(key);
    case MacKind::hmac_sha256: return std::make_unique<HmacSha256>(key);
    case MacKind::hmac_sha512: return std::make_unique<HmacSha512>(key);
    case MacKind::none: break;
  }
  return nullptr;
}

}  // namespace sluice
