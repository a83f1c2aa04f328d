// Generating, signing, and numbers out of libcrypto's keys.
#include "control/keys/private_key.h"

#include <openssl/core_names.h>
#include <openssl/err.h>

#include <algorithm>

#include "base/wire.h"
#include "control/engine/engine_signature.h"
#include "control/keys/secret_writer.h"
#include "control/keys/signature.h"

namespace sluice {
namespace {

constexpr size_t kEd25519Bytes = 32;
constexpr unsigned kDsaBits = 1024;
constexpr unsigned kDsaSubgroupBits = 160;

Secret magnitude_of(const BIGNUM* number) {
  Secret magnitude(static_cast<size_t>(BN_num_bytes(number)));
  BN_bn2bin(number, magnitude.data());
  return magnitude;
}

bool write_numbers(const EVP_PKEY* key, std::initializer_list<const char*> names, SecretWriter& out) {
  for (const char* name : names) {
    const BigNumber number = number_of(key, name);
    if (!number || BN_is_negative(number.get()) || BN_num_bits(number.get()) > static_cast<int>(kRsaBitsCeiling))
      return false;
    out.mpint(magnitude_of(number.get()).view());
  }
  return true;
}

KeyResult<Secret> ed25519_fields(const EVP_PKEY* key) {
  Secret seed_and_public(2 * kEd25519Bytes);
  size_t size = kEd25519Bytes;
  uint8_t* const public_half = seed_and_public.data() + kEd25519Bytes;
  if (EVP_PKEY_get_raw_private_key(key, seed_and_public.data(), &size) != 1 || size != kEd25519Bytes ||
      EVP_PKEY_get_raw_public_key(key, public_half, &size) != 1 || size != kEd25519Bytes)
    return fail(KeyError::crypto_library);
  SecretWriter out(kMaxPrivateFields);
  out.string(row_of(KeyType::ed25519).name).string({public_half, kEd25519Bytes}).string(seed_and_public.view());
  return out.take();
}

const KeyTypeRow* ecdsa_row_of(const EVP_PKEY* key) {
  char group[64];
  size_t size = 0;
  if (EVP_PKEY_get_group_name(key, group, sizeof group, &size) != 1) return nullptr;
  const int nid = EC_curve_nist2nid(group) != NID_undef ? EC_curve_nist2nid(group) : OBJ_sn2nid(group);
  for (const KeyTypeRow& row : all_key_types())
    if (row.curve && !row.on_authenticator && EC_curve_nist2nid(row.curve->group) == nid) return &row;
  return nullptr;
}

KeyResult<Secret> ecdsa_fields(const EVP_PKEY* key) {
  const KeyTypeRow* row = ecdsa_row_of(key);
  if (!row) return fail(KeyError::unsupported);
  // From the coordinates: a file may hold the point compressed, and libcrypto would hand it out so.
  const BigNumber x = number_of(key, OSSL_PKEY_PARAM_EC_PUB_X);
  const BigNumber y = number_of(key, OSSL_PKEY_PARAM_EC_PUB_Y);
  const auto size = static_cast<int>(row->curve->coordinate_bytes);
  std::vector<uint8_t> point(1 + 2 * static_cast<size_t>(size), 4);
  if (!x || !y || BN_bn2binpad(x.get(), point.data() + 1, size) < 0 ||
      BN_bn2binpad(y.get(), point.data() + 1 + size, size) < 0)
    return fail(KeyError::crypto_library);
  SecretWriter out(kMaxPrivateFields);
  out.string(row->name).string(row->curve->name).string(point);
  if (!write_numbers(key, {OSSL_PKEY_PARAM_PRIV_KEY}, out)) return fail(KeyError::malformed);
  return out.take();
}

KeyResult<Secret> rsa_fields(const EVP_PKEY* key) {
  SecretWriter out(kMaxPrivateFields);
  out.string(row_of(KeyType::rsa).name);
  if (!write_numbers(key,
                     {OSSL_PKEY_PARAM_RSA_N, OSSL_PKEY_PARAM_RSA_E, OSSL_PKEY_PARAM_RSA_D,
                      OSSL_PKEY_PARAM_RSA_COEFFICIENT1, OSSL_PKEY_PARAM_RSA_FACTOR1, OSSL_PKEY_PARAM_RSA_FACTOR2},
                     out))
    return fail(KeyError::malformed);
  return out.take();
}

KeyResult<Secret> dsa_fields(const EVP_PKEY* key) {
  SecretWriter out(kMaxPrivateFields);
  out.string(row_of(KeyType::dsa).name);
  if (!write_numbers(key,
                     {OSSL_PKEY_PARAM_FFC_P, OSSL_PKEY_PARAM_FFC_Q, OSSL_PKEY_PARAM_FFC_G, OSSL_PKEY_PARAM_PUB_KEY,
                      OSSL_PKEY_PARAM_PRIV_KEY},
                     out))
    return fail(KeyError::malformed);
  return out.take();
}

KeyResult<Secret> fields_of(const EVP_PKEY* key) {
  if (EVP_PKEY_is_a(key, "ED25519")) return ed25519_fields(key);
  if (EVP_PKEY_is_a(key, "EC")) return ecdsa_fields(key);
  if (EVP_PKEY_is_a(key, "RSA")) return rsa_fields(key);
  if (EVP_PKEY_is_a(key, "DSA")) return dsa_fields(key);
  return fail(KeyError::unsupported);
}

EvpKey generate_dsa() {
  EVP_PKEY* parameters = nullptr;
  const EvpKeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "DSA", nullptr));
  unsigned p_bits = kDsaBits;
  unsigned q_bits = kDsaSubgroupBits;
  const OSSL_PARAM sizes[] = {OSSL_PARAM_construct_uint(OSSL_PKEY_PARAM_FFC_PBITS, &p_bits),
                              OSSL_PARAM_construct_uint(OSSL_PKEY_PARAM_FFC_QBITS, &q_bits),
                              OSSL_PARAM_construct_end()};
  if (!context || EVP_PKEY_paramgen_init(context.get()) != 1 || EVP_PKEY_CTX_set_params(context.get(), sizes) != 1 ||
      EVP_PKEY_paramgen(context.get(), &parameters) != 1)
    return nullptr;
  const EvpKey owned(parameters);
  const EvpKeyContext generator(EVP_PKEY_CTX_new_from_pkey(nullptr, owned.get(), nullptr));
  EVP_PKEY* key = nullptr;
  if (!generator || EVP_PKEY_keygen_init(generator.get()) != 1 || EVP_PKEY_keygen(generator.get(), &key) != 1)
    return nullptr;
  return EvpKey(key);
}

}  // namespace

KeyResult<PrivateKey> PrivateKey::generate(KeyType type, unsigned bits, const KeyLimits& limits) {
  const KeyTypeRow& row = row_of(type);
  if (row.on_authenticator) return fail(KeyError::unsupported);
  EvpKey key;
  if (type == KeyType::rsa) {
    if (bits == 0) bits = kRsaBitsDefault;
    if (bits < std::max(limits.min_rsa_bits, kRsaBitsFloor)) return fail(KeyError::key_too_short);
    if (bits > std::min(limits.max_rsa_bits, kRsaBitsMaxGenerated)) return fail(KeyError::key_too_long);
    key.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", static_cast<size_t>(bits)));
  } else if (row.curve) {
    key.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", row.curve->group));
  } else if (type == KeyType::dsa) {
    key = generate_dsa();
  } else {
    key.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  }
  if (!key) return fail(KeyError::crypto_library);
  return from_libcrypto(key.get(), limits);
}

KeyResult<PrivateKey> PrivateKey::from_libcrypto(const EVP_PKEY* key, const KeyLimits& limits) {
  // By way of the wire form, so that there is one place where the numbers of a private key are judged.
  const auto numbers = fields_of(key);
  if (!numbers) return fail(numbers.error());
  WireReader fields(numbers->view());
  return parse(fields, limits);
}

KeyResult<Secret> PrivateKey::fields() const {
  if (held_elsewhere_) return fail(KeyError::unsupported);
  return fields_of(key_.get());
}

KeyResult<std::vector<uint8_t>> PrivateKey::sign(std::string_view algorithm, Bytes data) const {
  const SignatureAlgorithm* row = find_signature_algorithm(algorithm);
  if (!row) return fail(KeyError::unknown_algorithm);
  if (row->key_type != type()) return fail(KeyError::algorithm_not_of_key);
  const EVP_MD* digest = evp_digest(row->digest);
  std::optional<std::vector<uint8_t>> body;
  if (!held_elsewhere_) body = engine_signature(key_.get(), digest, data);
  if (!body) body = signature_by(nullptr, key_.get(), digest, data);
  if (!body) return fail(KeyError::crypto_library);
  KeyResult<std::vector<uint8_t>> wire = std::move(*body);
  if (row_of(type()).curve) wire = ecdsa_wire_from_der(*wire);
  if (type() == KeyType::dsa) wire = dsa_wire_from_der(*wire);
  if (!wire) return wire;
  auto signature = WireWriter().string(algorithm).string(*wire).take();
  // A device may be wrong, and a wrong signature may give the key away.
  if (held_elsewhere_ && !public_key_.verify(signature, algorithm, data)) return fail(KeyError::crypto_library);
  return signature;
}

void PrivateKey::Free::operator()(evp_pkey_st* key) const { EVP_PKEY_free(key); }

}  // namespace sluice
