// libcrypto's functions in a row.
#include "bench/bare_handshake.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <cstdint>
#include <ctime>
#include <memory>
#include <vector>

#include "base/check.h"

namespace sluice::bench {
namespace {

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Free>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Free>;

// Of this thread, as the server's is counted: others' load on the machine is in neither.
double cpu_now() {
  timespec time{};
  SLUICE_CHECK(::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

constexpr int kTimes = 200;
// What the exchange hash covers: two KEXINITs of a kilobyte, names, keys. And what a user's key signs.
constexpr size_t kHashed = 2400;
constexpr size_t kSigned = 200;

Key generate(int type) {
  const KeyContext context(EVP_PKEY_CTX_new_id(type, nullptr));
  EVP_PKEY* key = nullptr;
  SLUICE_CHECK(context && EVP_PKEY_keygen_init(context.get()) == 1 && EVP_PKEY_keygen(context.get(), &key) == 1);
  return Key(key);
}

void agree(EVP_PKEY* peer) {
  const Key own = generate(EVP_PKEY_X25519);
  const KeyContext context(EVP_PKEY_CTX_new(own.get(), nullptr));
  uint8_t secret[32];
  size_t size = sizeof secret;
  SLUICE_CHECK(context && EVP_PKEY_derive_init(context.get()) == 1 &&
               EVP_PKEY_derive_set_peer(context.get(), peer) == 1 &&
               EVP_PKEY_derive(context.get(), secret, &size) == 1);
}

std::vector<uint8_t> sign(EVP_PKEY* key, const std::vector<uint8_t>& data) {
  const DigestContext context(EVP_MD_CTX_new());
  std::vector<uint8_t> signature(64);
  size_t size = signature.size();
  SLUICE_CHECK(context && EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key) == 1 &&
               EVP_DigestSign(context.get(), signature.data(), &size, data.data(), data.size()) == 1);
  return signature;
}

void verify(EVP_PKEY* key, const std::vector<uint8_t>& signature, const std::vector<uint8_t>& data) {
  const DigestContext context(EVP_MD_CTX_new());
  SLUICE_CHECK(context && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key) == 1 &&
               EVP_DigestVerify(context.get(), signature.data(), signature.size(), data.data(), data.size()) == 1);
}

}  // namespace

double bare_handshake_seconds() {
  const Key peer = generate(EVP_PKEY_X25519), host = generate(EVP_PKEY_ED25519), user = generate(EVP_PKEY_ED25519);
  const std::vector<uint8_t> hashed(kHashed, 7), hash(SHA256_DIGEST_LENGTH, 8), request(kSigned, 9);
  const std::vector<uint8_t> proof = sign(user.get(), request);
  const double start = cpu_now();
  for (int i = 0; i < kTimes; ++i) {
    uint8_t digest[SHA256_DIGEST_LENGTH];
    agree(peer.get());
    SHA256(hashed.data(), hashed.size(), digest);
    for (int key = 0; key < 6; ++key) SHA256(hashed.data(), 100, digest);
    sign(host.get(), hash);
    verify(user.get(), proof, request);
  }
  return (cpu_now() - start) / kTimes;
}

}  // namespace sluice::bench
