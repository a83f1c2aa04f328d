// Parsing public key blobs: every number checked before libcrypto sees it.
//
// The blob is kept as it came. Since each field has exactly one accepted encoding, equal keys have equal blobs, and
// comparing or hashing blobs compares keys.
#include "control/keys/public_key.h"

#include <openssl/core_names.h>
#include <openssl/err.h>

#include <algorithm>

#include "base/wire.h"
#include "control/keys/libcrypto.h"

namespace sluice {
namespace {

constexpr size_t kEd25519KeyBytes = 32;
constexpr uint8_t kUncompressedPoint = 4;
// libcrypto spends time in proportion to the exponent's length when it verifies.
constexpr int kMaxRsaExponentBits = 64;
// FIPS 186-2 sizes, the only ones that RFC 4253 section 6.6 has a signature format for.
constexpr int kDsaBits = 1024;
constexpr int kDsaSubgroupBits = 160;
constexpr size_t kMaxApplication = 1024;

bool acceptable_exponent(const BIGNUM* e) {
  return BN_is_odd(e) && !BN_is_one(e) && BN_num_bits(e) <= kMaxRsaExponentBits;
}

// Whether y is in the subgroup of order q: 1 < y < p and y^q = 1 mod p, and g likewise.
bool sound_dsa(const BIGNUM* p, const BIGNUM* q, const BIGNUM* g, const BIGNUM* y) {
  if (BN_num_bits(p) != kDsaBits || BN_num_bits(q) != kDsaSubgroupBits || !BN_is_odd(p) || !BN_is_odd(q)) return false;
  const BigNumberContext context(BN_CTX_new());
  const BigNumber power(BN_new());
  if (!context || !power) return false;
  for (const BIGNUM* member : {g, y}) {
    if (BN_is_zero(member) || BN_is_one(member) || BN_cmp(member, p) >= 0) return false;
    if (BN_mod_exp(power.get(), member, q, p, context.get()) != 1 || !BN_is_one(power.get())) return false;
  }
  return true;
}

}  // namespace

KeyResult<PublicKey> PublicKey::parse(Bytes blob, const KeyLimits& limits) {
  if (blob.size() > kMaxPublicBlob) return fail(KeyError::key_too_long);
  PublicKey key;
  key.blob_.assign(blob.begin(), blob.end());
  if (auto parsed = key.parse_fields(limits); !parsed) {
    ERR_clear_error();
    return fail(parsed.error());
  }
  return key;
}

KeyResult<void> PublicKey::parse_fields(const KeyLimits& limits) {
  WireReader fields(blob_);
  const std::string_view name = fields.text();
  if (!fields.ok()) return fail(KeyError::malformed);
  const KeyTypeRow* row = find_key_type(name);
  if (!row) return fail(KeyError::unknown_type);
  type_ = row->type;
  KeyResult<void> parsed;
  if (row->curve)
    parsed = parse_ecdsa(fields);
  else if (type_ == KeyType::rsa)
    parsed = parse_rsa(fields, limits);
  else if (type_ == KeyType::dsa)
    parsed = parse_dsa(fields);
  else
    parsed = parse_ed25519(fields);
  if (!parsed) return parsed;
  if (row->on_authenticator) {
    const std::string_view application = fields.text();
    if (!fields.ok() || application.size() > kMaxApplication) return fail(KeyError::malformed);
    application_ = application;
  }
  if (!fields.at_end()) return fail(KeyError::trailing_bytes);
  return {};
}

// RFC 8709 section 4.
KeyResult<void> PublicKey::parse_ed25519(WireReader& fields) {
  const Bytes octets = fields.string();
  if (!fields.ok() || octets.size() != kEd25519KeyBytes) return fail(KeyError::malformed);
  adopt(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, octets.data(), octets.size()));
  if (!key_) return fail(KeyError::invalid_point);
  keep_material(octets);
  bits_ = 256;
  return {};
}

// RFC 5656 section 3.1. Compressed points are refused: they would be a second blob for the same key.
KeyResult<void> PublicKey::parse_ecdsa(WireReader& fields) {
  const CurveRow& curve = *row_of(type_).curve;
  const std::string_view named = fields.text();
  const Bytes point = fields.string();
  if (!fields.ok()) return fail(KeyError::malformed);
  if (named != curve.name) return fail(KeyError::curve_mismatch);
  if (point.size() != 1 + 2 * curve.coordinate_bytes || point[0] != kUncompressedPoint)
    return fail(KeyError::invalid_point);
  // libcrypto checks that the point is on the curve; the cofactor is 1, so that puts it into the right group.
  adopt(KeyBuilder()
            .text(OSSL_PKEY_PARAM_GROUP_NAME, curve.group)
            .octets(OSSL_PKEY_PARAM_PUB_KEY, point)
            .build("EC", EVP_PKEY_PUBLIC_KEY)
            .release());
  if (!key_) return fail(KeyError::invalid_point);
  keep_material(point);
  bits_ = curve.bits;
  return {};
}

// RFC 4253 section 6.6.
KeyResult<void> PublicKey::parse_rsa(WireReader& fields, const KeyLimits& limits) {
  const Bytes exponent = fields.mpint();
  const Bytes modulus = fields.mpint();
  if (!fields.ok()) return fail(KeyError::malformed);
  const BigNumber e = number_from(exponent);
  const BigNumber n = number_from(modulus);
  if (!e || !n) return fail(KeyError::crypto_library);
  const auto bits = static_cast<unsigned>(BN_num_bits(n.get()));
  if (bits < std::max(limits.min_rsa_bits, kRsaBitsFloor)) return fail(KeyError::key_too_short);
  if (bits > std::min(limits.max_rsa_bits, kRsaBitsCeiling)) return fail(KeyError::key_too_long);
  if (!BN_is_odd(n.get()) || !acceptable_exponent(e.get())) return fail(KeyError::bad_parameters);
  adopt(KeyBuilder()
            .number(OSSL_PKEY_PARAM_RSA_N, n.get())
            .number(OSSL_PKEY_PARAM_RSA_E, e.get())
            .build("RSA", EVP_PKEY_PUBLIC_KEY)
            .release());
  if (!key_) return fail(KeyError::crypto_library);
  keep_material(modulus);
  bits_ = bits;
  return {};
}

// RFC 4253 section 6.6.
KeyResult<void> PublicKey::parse_dsa(WireReader& fields) {
  const BigNumber p = number_from(fields.mpint());
  const BigNumber q = number_from(fields.mpint());
  const BigNumber g = number_from(fields.mpint());
  const Bytes public_number = fields.mpint();
  const BigNumber y = number_from(public_number);
  if (!fields.ok()) return fail(KeyError::malformed);
  if (!p || !q || !g || !y) return fail(KeyError::crypto_library);
  if (!sound_dsa(p.get(), q.get(), g.get(), y.get())) return fail(KeyError::bad_parameters);
  adopt(KeyBuilder()
            .number(OSSL_PKEY_PARAM_FFC_P, p.get())
            .number(OSSL_PKEY_PARAM_FFC_Q, q.get())
            .number(OSSL_PKEY_PARAM_FFC_G, g.get())
            .number(OSSL_PKEY_PARAM_PUB_KEY, y.get())
            .build("DSA", EVP_PKEY_PUBLIC_KEY)
            .release());
  if (!key_) return fail(KeyError::crypto_library);
  keep_material(public_number);
  bits_ = static_cast<unsigned>(kDsaBits);
  return {};
}

void PublicKey::keep_material(Bytes view) {
  material_at_ = static_cast<size_t>(view.data() - blob_.data());
  material_size_ = view.size();
}

void PublicKey::adopt(evp_pkey_st* key) {
  if (key) key_.reset(key, EVP_PKEY_free);
}

}  // namespace sluice
