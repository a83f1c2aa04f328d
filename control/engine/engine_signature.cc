// A wrong signature may give an RSA key away, so that what a device signed is verified before it leaves.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "control/engine/engine_signature.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <memory>
#include <string>

#include "base/freed.h"

namespace sluice {
namespace {

using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Digest = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;

bool verified(EVP_PKEY* key, const EVP_MD* digest, Bytes data, Bytes signature) {
  const Digest context(EVP_MD_CTX_new());
  return context && EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key) == 1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), data.data(), data.size()) == 1;
}

// The same numbers under the engine's older methods; null where it has none for them.
Key with_method(const KeyEngine& engine, EVP_PKEY* key) {
  Key copy(EVP_PKEY_new());
  if (!copy) return nullptr;
  if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && engine.for_rsa()) {
    const std::unique_ptr<RSA, Freed<RSA_free>> ours(EVP_PKEY_get1_RSA(key));
    std::unique_ptr<RSA, Freed<RSA_free>> rsa(ours ? RSAPrivateKey_dup(ours.get()) : nullptr);
    if (rsa && RSA_set_method(rsa.get(), engine.for_rsa()) == 1 && EVP_PKEY_assign_RSA(copy.get(), rsa.get()) == 1)
      return (void)rsa.release(), std::move(copy);
  }
  if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && engine.for_curves()) {
    const std::unique_ptr<EC_KEY, Freed<EC_KEY_free>> ours(EVP_PKEY_get1_EC_KEY(key));
    std::unique_ptr<EC_KEY, Freed<EC_KEY_free>> curve(ours ? EC_KEY_dup(ours.get()) : nullptr);
    if (curve && EC_KEY_set_method(curve.get(), engine.for_curves()) == 1 &&
        EVP_PKEY_assign_EC_KEY(copy.get(), curve.get()) == 1)
      return (void)curve.release(), std::move(copy);
  }
  return nullptr;
}

}  // namespace

std::optional<std::vector<uint8_t>> signature_by(ENGINE* engine, EVP_PKEY* key, const EVP_MD* digest, Bytes data) {
  const Digest context(EVP_MD_CTX_new());
  size_t size = 0;
  std::vector<uint8_t> body;
  bool fine = context && EVP_DigestSignInit(context.get(), nullptr, digest, engine, key) == 1 &&
              EVP_DigestSign(context.get(), nullptr, &size, data.data(), data.size()) == 1;
  if (fine) {
    body.resize(size);
    fine = EVP_DigestSign(context.get(), body.data(), &size, data.data(), data.size()) == 1;
    body.resize(fine ? size : 0);
  }
  ERR_clear_error();
  if (!fine) return std::nullopt;
  return body;
}

std::optional<std::vector<uint8_t>> engine_signature(EVP_PKEY* key, const EVP_MD* digest, Bytes data) {
  KeyEngine* engine = KeyEngine::in_use();
  if (!engine) return std::nullopt;
  ENGINE* const methods = engine->for_signatures(EVP_PKEY_get_base_id(key));
  const Key copy = methods ? nullptr : with_method(*engine, key);
  if (!methods && !copy) {
    const char* kind = EVP_PKEY_get0_type_name(key);
    engine->lacks(std::string("signatures with keys of ") + (kind ? kind : "an unknown kind"));
    return std::nullopt;
  }
  auto signature = signature_by(methods, methods ? key : copy.get(), digest, data);
  if (signature && verified(key, digest, data, *signature)) {
    engine->succeeded();
    return signature;
  }
  ERR_clear_error();
  engine->failed("a signature");
  return std::nullopt;
}

}  // namespace sluice
