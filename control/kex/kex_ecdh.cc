// The ecdh-sha2-nistp* methods of RFC 5656.
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "base/check.h"
#include "control/kex/engine_derive.h"
#include "control/kex/kex_method.h"
#include "control/kex/key_agreement.h"

namespace sluice {
namespace {

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
};
using Key = std::unique_ptr<EVP_PKEY, FreeKey>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, FreeKey>;

constexpr uint8_t kUncompressed = 4;

// What libcrypto has to say of the peer's point must not be found in its queue by the next who asks.
tl::unexpected<ErrorCode> refuse() {
  ERR_clear_error();
  return fail(ErrorCode::key_exchange_value);
}

class EcdhAgreement final : public SymmetricAgreement {
 public:
  explicit EcdhAgreement(unsigned curve_bits) : curve_bits_(curve_bits) {}

 protected:
  void prepare() override {
    if (key_) return;
    const char* curve = curve_bits_ == 256 ? "P-256" : curve_bits_ == 384 ? "P-384" : "P-521";
    // Not EVP_EC_gen: that macro casts a const away, which clang refuses.
    key_.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve));
    SLUICE_CHECK(key_ != nullptr);
  }

  std::vector<uint8_t> public_value() const override {
    unsigned char* encoded = nullptr;
    const size_t size = EVP_PKEY_get1_encoded_public_key(key_.get(), &encoded);
    SLUICE_CHECK(size == point_size());
    std::vector<uint8_t> out(encoded, encoded + size);
    OPENSSL_free(encoded);
    return out;
  }

  Result<Secret> agree(Bytes peer) const override {
    // RFC 5656 lets a sender compress points. No known one does, and with one form alone there is less to get wrong.
    if (peer.size() != point_size() || peer[0] != kUncompressed) return fail(ErrorCode::malformed_message);
    const Key theirs(EVP_PKEY_new());
    SLUICE_CHECK(theirs && EVP_PKEY_copy_parameters(theirs.get(), key_.get()) == 1);
    if (EVP_PKEY_set1_encoded_public_key(theirs.get(), peer.data(), peer.size()) != 1) {
      return refuse();
    }
    // A point on another curve would give away the private key modulo small numbers. These curves have no cofactor, so
    // the quick check says all.
    const KeyContext check(EVP_PKEY_CTX_new(theirs.get(), nullptr));
    if (!check || EVP_PKEY_public_check_quick(check.get()) != 1) return refuse();

    Secret x(coordinate_size());
    if (!derive_somewhere("ECDH", key_.get(), theirs.get(), x)) return refuse();
    return shared_mpint(x.view());
  }

 private:
  size_t coordinate_size() const { return (curve_bits_ + 7) / 8; }
  size_t point_size() const { return 1 + 2 * coordinate_size(); }

  unsigned curve_bits_;
  Key key_;
};

}  // namespace

std::unique_ptr<KeyAgreement> make_ecdh(const KexMethod& method) {
  return std::make_unique<EcdhAgreement>(method.size_bits);
}

}  // namespace sluice
