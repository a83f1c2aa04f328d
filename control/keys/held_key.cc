// PrivateKey::held_elsewhere: a key of which only the public half is ours. Its numbers never come into this process.
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include "base/wire.h"
#include "control/keys/libcrypto.h"
#include "control/keys/private_key.h"

namespace sluice {
namespace {

// By way of its public encoding, which is the same whoever holds the key.
EvpKey public_half(EVP_PKEY* key) {
  uint8_t* encoded = nullptr;
  const int size = i2d_PUBKEY(key, &encoded);
  const uint8_t* at = encoded;
  EvpKey out(size > 0 ? d2i_PUBKEY(nullptr, &at, size) : nullptr);
  OPENSSL_free(encoded);
  return out;
}

std::vector<uint8_t> magnitude(const BIGNUM* number) {
  std::vector<uint8_t> out(static_cast<size_t>(BN_num_bytes(number)));
  BN_bn2bin(number, out.data());
  return out;
}

bool write_rsa(const EVP_PKEY* key, WireWriter& blob) {
  const BigNumber e = number_of(key, OSSL_PKEY_PARAM_RSA_E);
  const BigNumber n = number_of(key, OSSL_PKEY_PARAM_RSA_N);
  if (!e || !n) return false;
  blob.string(row_of(KeyType::rsa).name).mpint(magnitude(e.get())).mpint(magnitude(n.get()));
  return true;
}

bool write_ed25519(const EVP_PKEY* key, WireWriter& blob) {
  uint8_t half[32];
  size_t size = sizeof half;
  if (EVP_PKEY_get_raw_public_key(key, half, &size) != 1 || size != sizeof half) return false;
  blob.string(row_of(KeyType::ed25519).name).string(Bytes(half));
  return true;
}

bool write_ecdsa(const EVP_PKEY* key, WireWriter& blob) {
  char group[64];
  size_t size = 0;
  if (EVP_PKEY_get_group_name(key, group, sizeof group, &size) != 1) return false;
  const BigNumber x = number_of(key, OSSL_PKEY_PARAM_EC_PUB_X);
  const BigNumber y = number_of(key, OSSL_PKEY_PARAM_EC_PUB_Y);
  for (const KeyTypeRow& row : all_key_types()) {
    if (!row.curve || row.on_authenticator || OBJ_sn2nid(group) != EC_curve_nist2nid(row.curve->group)) continue;
    const auto bytes = static_cast<int>(row.curve->coordinate_bytes);
    std::vector<uint8_t> point(1 + 2 * static_cast<size_t>(bytes), 4);
    if (!x || !y || BN_bn2binpad(x.get(), point.data() + 1, bytes) < 0 ||
        BN_bn2binpad(y.get(), point.data() + 1 + bytes, bytes) < 0)
      return false;
    blob.string(row.name).string(row.curve->name).string(point);
    return true;
  }
  return false;
}

}  // namespace

KeyResult<PrivateKey> PrivateKey::held_elsewhere(EVP_PKEY* key, const KeyLimits& limits) {
  EvpKey held(key);
  const EvpKey half = held ? public_half(held.get()) : nullptr;
  WireWriter blob;
  const bool written = half && (EVP_PKEY_is_a(half.get(), "RSA")       ? write_rsa(half.get(), blob)
                                : EVP_PKEY_is_a(half.get(), "EC")      ? write_ecdsa(half.get(), blob)
                                : EVP_PKEY_is_a(half.get(), "ED25519") ? write_ed25519(half.get(), blob)
                                                                       : false);
  ERR_clear_error();
  if (!written) return fail(KeyError::unsupported);
  auto public_key = PublicKey::parse(blob.view(), limits);
  if (!public_key) return fail(public_key.error());
  PrivateKey out(std::move(*public_key), held.release());
  out.held_elsewhere_ = true;
  return out;
}

}  // namespace sluice
