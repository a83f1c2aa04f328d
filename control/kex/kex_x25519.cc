// X25519 by libcrypto, and the methods curve25519-sha256 of RFC 8731.
#include "control/kex/kex_x25519.h"

#include <openssl/evp.h>

#include <optional>

#include "base/check.h"
#include "base/random.h"
#include "control/kex/engine_derive.h"
#include "control/kex/key_agreement.h"
#include "control/kex/wiped.h"

namespace sluice {
namespace {

struct KeyBytes {
  std::array<uint8_t, X25519Key::kSize> bytes;
};

class X25519Agreement final : public SymmetricAgreement {
 protected:
  void prepare() override {
    if (!key_) key_ = X25519Key::generate();
  }
  std::vector<uint8_t> public_value() const override { return {key_->public_key().begin(), key_->public_key().end()}; }
  // RFC 8731 section 3.1: the 32 bytes are read as a big-endian number, whatever RFC 7748 has them mean.
  Result<Secret> agree(Bytes peer) const override {
    auto raw = key_->agree(peer);
    if (!raw) return fail(raw.error());
    return shared_mpint(raw->view());
  }

 private:
  std::optional<X25519Key> key_;
};

}  // namespace

void X25519Key::Free::operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }

X25519Key X25519Key::generate() {
  Wiped<KeyBytes> private_key;
  fill_random(private_key.bytes);
  return from_private(private_key.bytes);
}

X25519Key X25519Key::from_private(Bytes private_key) {
  X25519Key out;
  out.key_.reset(EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, private_key.data(), private_key.size()));
  SLUICE_CHECK(out.key_ != nullptr);
  size_t size = kSize;
  SLUICE_CHECK(EVP_PKEY_get_raw_public_key(out.key_.get(), out.public_.data(), &size) == 1 && size == kSize);
  return out;
}

Result<Secret> X25519Key::agree(Bytes peer) const {
  if (peer.size() != kSize) return fail(ErrorCode::malformed_message);
  const std::unique_ptr<EVP_PKEY, Free> theirs(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, peer.data(), peer.size()));
  SLUICE_CHECK(theirs != nullptr);
  Secret shared(kSize);
  if (!derive_somewhere("X25519", key_.get(), theirs.get(), shared)) return fail(ErrorCode::key_exchange_value);
  // libcrypto fails where the result is zero; that is checked here too, so that nothing hangs on its doing so.
  constexpr Public kZero{};
  if (equal_in_constant_time(shared.data(), kZero.data(), kSize)) return fail(ErrorCode::key_exchange_value);
  return shared;
}

std::unique_ptr<KeyAgreement> make_x25519(const KexMethod&) { return std::make_unique<X25519Agreement>(); }

}  // namespace sluice
