// Modular exponentiation by libcrypto's constant-time code, and the checks around it.
#include "control/kex/kex_dh.h"

#include <bit>

#include "base/check.h"
#include "control/kex/engine_derive.h"
#include "control/kex/kex_method.h"

namespace sluice {
namespace {

// Fewer set or clear bits than this in a public value would be a guess worth making (as OpenSSH has it).
constexpr unsigned kFewBits = 4;
// In a group that a stranger made no power of the generator may be a public value: modulo 2^n - 1 all powers of 2 have
// one bit. In one of safe primes the first is.
constexpr int kTries = 3;

std::vector<uint8_t> bytes_of_number(const BIGNUM* number) {
  std::vector<uint8_t> out(static_cast<size_t>(BN_num_bytes(number)));
  BN_bn2bin(number, out.data());
  return out;
}

Bignum number_of(Bytes magnitude) {
  Bignum out(BN_bin2bn(magnitude.data(), static_cast<int>(magnitude.size()), nullptr));
  SLUICE_CHECK(out != nullptr);
  return out;
}

unsigned set_bits(const BIGNUM* number) {
  unsigned count = 0;
  for (uint8_t byte : bytes_of_number(number)) count += static_cast<unsigned>(std::popcount(byte));
  return count;
}

// Twice the strength of the group, which NIST's SP 800-56A asks for in safe-prime groups, rounded up.
int private_bits(unsigned modulus_bits) { return modulus_bits <= 3072 ? 256 : modulus_bits <= 4096 ? 384 : 512; }

Bignum power(const BIGNUM* base, const BIGNUM* exponent, const DhGroup& group) {
  const std::unique_ptr<BN_CTX, decltype(&BN_CTX_free)> context(BN_CTX_new(), BN_CTX_free);
  Bignum out(BN_new());
  SLUICE_CHECK(context && out);
  KeyEngine* engine = KeyEngine::in_use();
  const bool asked = engine && engine->for_powers();
  if (asked && power_by(*engine, out.get(), base, exponent, group.modulus(), context.get())) return out;
  SLUICE_CHECK(BN_mod_exp_mont_consttime(out.get(), base, exponent, group.modulus(), context.get(), nullptr) == 1);
  if (asked) engine->failed("a power");
  if (engine && !asked) engine->lacks("Diffie-Hellman");
  return out;
}

std::shared_ptr<const DhGroup> make_standard(BIGNUM* modulus) {
  Bignum generator(BN_new());
  SLUICE_CHECK(modulus && generator && BN_set_word(generator.get(), 2) == 1);
  return std::make_shared<const DhGroup>(Bignum(modulus), std::move(generator));
}

}  // namespace

DhGroup::DhGroup(Bignum modulus, Bignum generator)
    : p_(std::move(modulus)), g_(std::move(generator)), p_minus_1_(BN_dup(p_.get())) {
  SLUICE_CHECK(p_minus_1_ && BN_sub_word(p_minus_1_.get(), 1) == 1);
}

std::shared_ptr<const DhGroup> DhGroup::standard(unsigned bits) {
  static const auto k1024 = make_standard(BN_get_rfc2409_prime_1024(nullptr));
  static const auto k2048 = make_standard(BN_get_rfc3526_prime_2048(nullptr));
  static const auto k3072 = make_standard(BN_get_rfc3526_prime_3072(nullptr));
  static const auto k4096 = make_standard(BN_get_rfc3526_prime_4096(nullptr));
  static const auto k6144 = make_standard(BN_get_rfc3526_prime_6144(nullptr));
  static const auto k8192 = make_standard(BN_get_rfc3526_prime_8192(nullptr));
  for (const auto& group : {k1024, k2048, k3072, k4096, k6144, k8192}) {
    if (group->bits() == bits) return group;
  }
  return nullptr;
}

Result<std::shared_ptr<const DhGroup>> DhGroup::from(Bytes modulus, Bytes generator) {
  Bignum p = number_of(modulus);
  Bignum g = number_of(generator);
  if (!BN_is_odd(p.get()) || BN_num_bits(p.get()) < 3) return fail(ErrorCode::key_exchange_value);
  auto group = std::make_shared<const DhGroup>(std::move(p), std::move(g));
  if (!group->is_inside(group->generator())) return fail(ErrorCode::key_exchange_value);
  return std::shared_ptr<const DhGroup>(std::move(group));
}

std::vector<uint8_t> DhGroup::modulus_bytes() const { return bytes_of_number(p_.get()); }
std::vector<uint8_t> DhGroup::generator_bytes() const { return bytes_of_number(g_.get()); }

// 0, 1 and p - 1 generate nothing worth guessing.
bool DhGroup::is_inside(const BIGNUM* value) const {
  return BN_cmp(value, BN_value_one()) > 0 && BN_cmp(value, p_minus_1_.get()) < 0;
}

bool DhGroup::is_public_value(const BIGNUM* value) const {
  if (!is_inside(value)) return false;
  const unsigned set = set_bits(value);
  return set >= kFewBits && bits() - set >= kFewBits;
}

void DhAgreement::prepare() {
  if (public_) return;
  private_.reset(BN_secure_new());
  SLUICE_CHECK(private_ != nullptr);
  BN_set_flags(private_.get(), BN_FLG_CONSTTIME);
  for (int tries = 0; tries < kTries && !has_public_value(); ++tries) {
    SLUICE_CHECK(BN_priv_rand(private_.get(), private_bits(group_->bits()), BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1);
    public_ = power(group_->generator(), private_.get(), *group_);
  }
}

bool DhAgreement::has_public_value() const { return public_ && group_->is_public_value(public_.get()); }

std::vector<uint8_t> DhAgreement::public_value() const { return mpint_content(bytes_of_number(public_.get())); }

// RFC 4253 section 8.
Result<Secret> DhAgreement::agree(Bytes peer) const {
  const auto magnitude = mpint_magnitude(peer);
  if (!magnitude) return fail(magnitude.error());
  if (magnitude->size() > group_->bytes()) return fail(ErrorCode::key_exchange_value);
  const Bignum theirs = number_of(*magnitude);
  if (!group_->is_public_value(theirs.get())) return fail(ErrorCode::key_exchange_value);
  const Bignum shared = power(theirs.get(), private_.get(), *group_);
  // A modulus that is not prime could still lead here.
  if (!group_->is_inside(shared.get())) return fail(ErrorCode::key_exchange_value);
  Secret padded(group_->bytes());
  SLUICE_CHECK(BN_bn2binpad(shared.get(), padded.data(), static_cast<int>(padded.size())) > 0);
  return shared_mpint(padded.view());
}

std::unique_ptr<KeyAgreement> make_dh(const KexMethod& method) {
  return std::make_unique<DhAgreement>(DhGroup::standard(method.size_bits));
}

}  // namespace sluice
