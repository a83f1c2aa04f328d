// PrivateKey::parse: private numbers from outside, each checked against the public ones.
//
// A pair whose halves differ would sign what nobody can verify at best; with RSA, one wrong prime gives the other one
// away in the first signature.
#include <openssl/core_names.h>
#include <openssl/err.h>

#include "base/wire.h"
#include "control/keys/libcrypto.h"
#include "control/keys/private_key.h"

namespace sluice {
namespace {

constexpr size_t kEd25519Bytes = 32;

struct Halves {
  PublicKey public_key;
  EvpKey key;
};

KeyResult<Halves> join(const WireWriter& blob, const KeyLimits& limits, EvpKey key) {
  auto public_key = PublicKey::parse(blob.view(), limits);
  if (!public_key) return fail(public_key.error());
  if (!key) {
    ERR_clear_error();
    return fail(KeyError::bad_parameters);
  }
  return Halves{std::move(*public_key), std::move(key)};
}

KeyResult<Halves> parse_ed25519(WireReader& fields) {
  const Bytes public_half = fields.string();
  const Bytes seed_and_public = fields.string();
  if (!fields.ok() || public_half.size() != kEd25519Bytes || seed_and_public.size() != 2 * kEd25519Bytes)
    return fail(KeyError::malformed);
  EvpKey key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed_and_public.data(), kEd25519Bytes));
  uint8_t derived[kEd25519Bytes];
  size_t size = sizeof derived;
  if (!key || EVP_PKEY_get_raw_public_key(key.get(), derived, &size) != 1) return fail(KeyError::crypto_library);
  // Signing with a public half that is not the seed's own would leak the seed.
  if (!equal_in_constant_time(derived, public_half.data(), kEd25519Bytes) ||
      !equal_in_constant_time(derived, seed_and_public.data() + kEd25519Bytes, kEd25519Bytes))
    return fail(KeyError::halves_differ);
  WireWriter blob;
  blob.string(row_of(KeyType::ed25519).name).string(public_half);
  return join(blob, {}, std::move(key));
}

KeyResult<Halves> parse_ecdsa(WireReader& fields, const KeyTypeRow& row) {
  const std::string_view curve = fields.text();
  const Bytes point = fields.string();
  const BigNumber secret = secret_number_from(fields.mpint());
  if (!fields.ok()) return fail(KeyError::malformed);
  if (!secret) return fail(KeyError::crypto_library);
  WireWriter blob;
  blob.string(row.name).string(curve).string(point);
  if (auto checked = PublicKey::parse(blob.view()); !checked) return fail(checked.error());
  EvpKey key = KeyBuilder()
                   .text(OSSL_PKEY_PARAM_GROUP_NAME, row.curve->group)
                   .octets(OSSL_PKEY_PARAM_PUB_KEY, point)
                   .number(OSSL_PKEY_PARAM_PRIV_KEY, secret.get())
                   .build("EC", EVP_PKEY_KEYPAIR);
  if (key) {
    const EvpKeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
    if (!context || EVP_PKEY_private_check(context.get()) != 1 || EVP_PKEY_pairwise_check(context.get()) != 1) {
      ERR_clear_error();
      return fail(KeyError::halves_differ);
    }
  }
  return join(blob, {}, std::move(key));
}

struct RsaNumbers {
  BigNumber n, e, d, coefficient, p, q;
  BigNumber d_mod_p, d_mod_q;  // d modulo p - 1 and q - 1
};

// n = pq, ed = 1 modulo p - 1 and q - 1, coefficient * q = 1 mod p. With p and q prime that is all there is.
bool consistent(RsaNumbers& k) {
  const BigNumberContext context(BN_CTX_secure_new());
  const BigNumber less_one(BN_secure_new());
  const BigNumber product(BN_secure_new());
  k.d_mod_p.reset(BN_secure_new());
  k.d_mod_q.reset(BN_secure_new());
  if (!context || !less_one || !product || !k.d_mod_p || !k.d_mod_q) return false;
  if (!BN_is_odd(k.p.get()) || !BN_is_odd(k.q.get()) || BN_is_one(k.p.get()) || BN_is_one(k.q.get())) return false;
  if (BN_mul(product.get(), k.p.get(), k.q.get(), context.get()) != 1 || BN_cmp(product.get(), k.n.get()) != 0)
    return false;
  if (BN_mod_mul(product.get(), k.coefficient.get(), k.q.get(), k.p.get(), context.get()) != 1 ||
      !BN_is_one(product.get()) || BN_cmp(k.coefficient.get(), k.p.get()) >= 0 || BN_cmp(k.d.get(), k.n.get()) >= 0)
    return false;
  const auto inverts = [&](const BIGNUM* prime, BIGNUM* remainder) {
    return BN_sub(less_one.get(), prime, BN_value_one()) == 1 &&
           BN_mod(remainder, k.d.get(), less_one.get(), context.get()) == 1 &&
           BN_mod_mul(product.get(), remainder, k.e.get(), less_one.get(), context.get()) == 1 &&
           BN_is_one(product.get());
  };
  return inverts(k.p.get(), k.d_mod_p.get()) && inverts(k.q.get(), k.d_mod_q.get());
}

KeyResult<Halves> parse_rsa(WireReader& fields, const KeyLimits& limits) {
  const Bytes modulus = fields.mpint();
  const Bytes exponent = fields.mpint();
  Bytes secrets[4];
  for (Bytes& secret : secrets) secret = fields.mpint();
  if (!fields.ok()) return fail(KeyError::malformed);
  WireWriter blob;
  blob.string(row_of(KeyType::rsa).name).mpint(exponent).mpint(modulus);
  // First of all the lengths: what follows takes time that grows with them.
  if (auto checked = PublicKey::parse(blob.view(), limits); !checked) return fail(checked.error());
  for (const Bytes secret : secrets)
    if (secret.size() > modulus.size()) return fail(KeyError::halves_differ);
  RsaNumbers k{number_from(modulus),
               number_from(exponent),
               secret_number_from(secrets[0]),
               secret_number_from(secrets[1]),
               secret_number_from(secrets[2]),
               secret_number_from(secrets[3]),
               nullptr,
               nullptr};
  if (!k.n || !k.e || !k.d || !k.coefficient || !k.p || !k.q) return fail(KeyError::crypto_library);
  if (!consistent(k)) {
    ERR_clear_error();
    return fail(KeyError::halves_differ);
  }
  EvpKey key = KeyBuilder()
                   .number(OSSL_PKEY_PARAM_RSA_N, k.n.get())
                   .number(OSSL_PKEY_PARAM_RSA_E, k.e.get())
                   .number(OSSL_PKEY_PARAM_RSA_D, k.d.get())
                   .number(OSSL_PKEY_PARAM_RSA_FACTOR1, k.p.get())
                   .number(OSSL_PKEY_PARAM_RSA_FACTOR2, k.q.get())
                   .number(OSSL_PKEY_PARAM_RSA_EXPONENT1, k.d_mod_p.get())
                   .number(OSSL_PKEY_PARAM_RSA_EXPONENT2, k.d_mod_q.get())
                   .number(OSSL_PKEY_PARAM_RSA_COEFFICIENT1, k.coefficient.get())
                   .build("RSA", EVP_PKEY_KEYPAIR);
  return join(blob, limits, std::move(key));
}

KeyResult<Halves> parse_dsa(WireReader& fields) {
  const Bytes p = fields.mpint();
  const Bytes q = fields.mpint();
  const Bytes g = fields.mpint();
  const Bytes y = fields.mpint();
  const BigNumber x = secret_number_from(fields.mpint());
  if (!fields.ok()) return fail(KeyError::malformed);
  WireWriter blob;
  blob.string(row_of(KeyType::dsa).name).mpint(p).mpint(q).mpint(g).mpint(y);
  if (auto checked = PublicKey::parse(blob.view()); !checked) return fail(checked.error());
  const BigNumber numbers[] = {number_from(p), number_from(q), number_from(g), number_from(y)};
  const BigNumberContext context(BN_CTX_secure_new());
  const BigNumber power(BN_new());
  if (!x || !context || !power || BN_is_zero(x.get()) || BN_cmp(x.get(), numbers[1].get()) >= 0)
    return fail(KeyError::halves_differ);
  if (BN_mod_exp(power.get(), numbers[2].get(), x.get(), numbers[0].get(), context.get()) != 1 ||
      BN_cmp(power.get(), numbers[3].get()) != 0)
    return fail(KeyError::halves_differ);
  EvpKey key = KeyBuilder()
                   .number(OSSL_PKEY_PARAM_FFC_P, numbers[0].get())
                   .number(OSSL_PKEY_PARAM_FFC_Q, numbers[1].get())
                   .number(OSSL_PKEY_PARAM_FFC_G, numbers[2].get())
                   .number(OSSL_PKEY_PARAM_PUB_KEY, numbers[3].get())
                   .number(OSSL_PKEY_PARAM_PRIV_KEY, x.get())
                   .build("DSA", EVP_PKEY_KEYPAIR);
  return join(blob, {}, std::move(key));
}

}  // namespace

KeyResult<PrivateKey> PrivateKey::parse(WireReader& fields, const KeyLimits& limits) {
  const std::string_view name = fields.text();
  if (!fields.ok()) return fail(KeyError::malformed);
  const KeyTypeRow* row = find_key_type(name);
  if (!row) return fail(KeyError::unknown_type);
  // Their private half is a handle for one device, which is an agent's business.
  if (row->on_authenticator) return fail(KeyError::unsupported);
  auto halves = row->curve                  ? parse_ecdsa(fields, *row)
                : row->type == KeyType::rsa ? parse_rsa(fields, limits)
                : row->type == KeyType::dsa ? parse_dsa(fields)
                                            : parse_ed25519(fields);
  if (!halves) return fail(halves.error());
  return PrivateKey(std::move(halves->public_key), halves->key.release());
}

}  // namespace sluice
