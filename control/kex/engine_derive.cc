// Whichever way, libcrypto's error queue is left as it was.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "control/kex/engine_derive.h"

#include <openssl/dh.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include <memory>

#include "base/check.h"
#include "base/freed.h"

namespace sluice {
namespace {

bool derive(ENGINE* engine, EVP_PKEY* own, EVP_PKEY* peer, Secret& shared) {
  const std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>> context(EVP_PKEY_CTX_new(own, engine));
  size_t size = shared.size();
  // The caller has checked the peer's value where that is his to do.
  const bool derived = context && EVP_PKEY_derive_init(context.get()) == 1 &&
                       EVP_PKEY_derive_set_peer_ex(context.get(), peer, 0) == 1 &&
                       EVP_PKEY_derive(context.get(), shared.data(), &size) == 1 && size == shared.size();
  ERR_clear_error();
  return derived;
}

// For engines that have the older method of curves alone.
bool derive_by_curve(const EC_KEY_METHOD* method, EVP_PKEY* own, EVP_PKEY* peer, Secret& shared) {
  const std::unique_ptr<EC_KEY, Freed<EC_KEY_free>> ours(EVP_PKEY_get1_EC_KEY(own));
  const std::unique_ptr<EC_KEY, Freed<EC_KEY_free>> copy(ours ? EC_KEY_dup(ours.get()) : nullptr);
  const std::unique_ptr<EC_KEY, Freed<EC_KEY_free>> theirs(EVP_PKEY_get1_EC_KEY(peer));
  const bool derived = copy && theirs && EC_KEY_set_method(copy.get(), method) == 1 &&
                       ECDH_compute_key(shared.data(), shared.size(), EC_KEY_get0_public_key(theirs.get()), copy.get(),
                                        nullptr) == static_cast<int>(shared.size());
  ERR_clear_error();
  return derived;
}

}  // namespace

bool derive_somewhere(std::string_view what, EVP_PKEY* own, EVP_PKEY* peer, Secret& shared) {
  KeyEngine* engine = KeyEngine::in_use();
  const int kind = EVP_PKEY_get_base_id(own);
  bool asked = false;
  if (engine && engine->for_keys(kind)) {
    asked = true;
    if (derive(engine->for_keys(kind), own, peer, shared)) return engine->succeeded(), true;
  } else if (engine && kind == EVP_PKEY_EC && engine->for_curves()) {
    asked = true;
    if (derive_by_curve(engine->for_curves(), own, peer, shared)) return engine->succeeded(), true;
  }
  const bool derived = derive(nullptr, own, peer, shared);
  if (asked && derived) engine->failed(what);
  if (engine && !asked) engine->lacks(what);
  return derived;
}

bool power_by(KeyEngine& engine, BIGNUM* out, const BIGNUM* base, const BIGNUM* exponent, const BIGNUM* modulus,
              BN_CTX* context) {
  const auto compute = DH_meth_get_bn_mod_exp(engine.for_powers());
  const bool computed = compute(engine.dh(), out, base, exponent, modulus, context, nullptr) == 1;
  ERR_clear_error();
  if (computed) engine.succeeded();
  return computed;
}

}  // namespace sluice
