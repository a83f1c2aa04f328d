// Numbers into libcrypto and out of it.
#include "control/keys/libcrypto.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

namespace sluice {

BigNumber number_from(Bytes magnitude) {
  return BigNumber(BN_bin2bn(magnitude.data(), static_cast<int>(magnitude.size()), nullptr));
}

BigNumber secret_number_from(Bytes magnitude) {
  BigNumber number(BN_secure_new());
  if (!number || !BN_bin2bn(magnitude.data(), static_cast<int>(magnitude.size()), number.get())) return nullptr;
  BN_set_flags(number.get(), BN_FLG_CONSTTIME);
  return number;
}

BigNumber number_of(const EVP_PKEY* key, const char* parameter) {
  BIGNUM* value = nullptr;
  if (EVP_PKEY_get_bn_param(key, parameter, &value) != 1) return nullptr;
  return BigNumber(value);
}

const EVP_MD* evp_digest(SignatureDigest digest) {
  switch (digest) {
    case SignatureDigest::none: return nullptr;
    case SignatureDigest::sha1: return EVP_sha1();
    case SignatureDigest::sha256: return EVP_sha256();
    case SignatureDigest::sha384: return EVP_sha384();
    case SignatureDigest::sha512: return EVP_sha512();
  }
  return nullptr;
}

KeyBuilder& KeyBuilder::number(const char* name, const BIGNUM* value) {
  ok_ = ok_ && parameters_ && value && OSSL_PARAM_BLD_push_BN(parameters_.get(), name, value) == 1;
  return *this;
}

KeyBuilder& KeyBuilder::octets(const char* name, Bytes value) {
  ok_ =
      ok_ && parameters_ && OSSL_PARAM_BLD_push_octet_string(parameters_.get(), name, value.data(), value.size()) == 1;
  return *this;
}

KeyBuilder& KeyBuilder::text(const char* name, const char* value) {
  ok_ = ok_ && parameters_ && OSSL_PARAM_BLD_push_utf8_string(parameters_.get(), name, value, 0) == 1;
  return *this;
}

EvpKey KeyBuilder::build(const char* algorithm, int selection) {
  if (!ok_) return nullptr;
  const std::unique_ptr<OSSL_PARAM, Freed<OSSL_PARAM_free>> parameters(OSSL_PARAM_BLD_to_param(parameters_.get()));
  const EvpKeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, algorithm, nullptr));
  EVP_PKEY* key = nullptr;
  if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, selection, parameters.get()) != 1) {
    EVP_PKEY_free(key);
    return nullptr;
  }
  return EvpKey(key);
}

}  // namespace sluice
