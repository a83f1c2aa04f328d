// PublicKey::verify: the outer frame of a signature, then what each family makes of its body.
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/sha.h>

#include "base/wire.h"
#include "control/keys/public_key.h"
#include "control/keys/signature.h"

namespace sluice {
namespace {

constexpr size_t kEd25519SignatureBytes = 64;
constexpr uint8_t kUserPresent = 0x01;
constexpr uint8_t kUserVerified = 0x04;

bool library_accepts(EVP_PKEY* key, const EVP_MD* digest, Bytes signature, Bytes data) {
  const EvpDigestContext context(EVP_MD_CTX_new());
  const bool accepted =
      context && EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key) == 1 &&
      EVP_DigestVerify(context.get(), signature.data(), signature.size(), data.data(), data.size()) == 1;
  // A refusal is the peer's doing; left in the queue it would be read as the cause of a later failure of ours.
  ERR_clear_error();
  return accepted;
}

KeyResult<std::vector<uint8_t>> library_form(const PublicKey& key, Bytes body) {
  switch (key.type()) {
    case KeyType::ed25519:
    case KeyType::sk_ed25519:
      if (body.size() != kEd25519SignatureBytes) return fail(KeyError::malformed);
      return std::vector<uint8_t>(body.begin(), body.end());
    case KeyType::rsa: {
      const size_t modulus = key.material().size();
      if (body.size() > modulus || body.empty()) return fail(KeyError::malformed);
      // RFC 8332 section 3 wants the modulus' length, but there are signers that drop leading zeros, one in 256.
      std::vector<uint8_t> padded(modulus - body.size());
      padded.insert(padded.end(), body.begin(), body.end());
      return padded;
    }
    case KeyType::dsa: {
      const BigNumber order = number_of(key.libcrypto_key(), OSSL_PKEY_PARAM_FFC_Q);
      return dsa_der_from_wire(body, order.get());
    }
    default: {
      const BigNumber order = number_of(key.libcrypto_key(), OSSL_PKEY_PARAM_EC_ORDER);
      return ecdsa_der_from_wire(body, order.get());
    }
  }
}

// What an authenticator signs (PROTOCOL.u2f): hash of the application, flags, counter, hash of the message.
std::vector<uint8_t> authenticator_data(std::string_view application, const AuthenticatorFacts& facts, Bytes data) {
  uint8_t hash[SHA256_DIGEST_LENGTH];
  WireWriter signed_data;
  SHA256(bytes_of(application).data(), application.size(), hash);
  signed_data.raw(hash).u8(facts.flags).u32(facts.counter);
  SHA256(data.data(), data.size(), hash);
  return signed_data.raw(hash).take();
}

}  // namespace

KeyResult<AuthenticatorFacts> PublicKey::verify(Bytes signature, std::string_view algorithm, Bytes data,
                                                const TouchPolicy& policy) const {
  const SignatureAlgorithm* wanted = find_signature_algorithm(algorithm);
  if (!wanted) return fail(KeyError::unknown_algorithm);
  if (wanted->key_type != type_) return fail(KeyError::algorithm_not_of_key);
  WireReader frame(signature);
  const std::string_view named = frame.text();
  const Bytes body = frame.string();
  AuthenticatorFacts facts;
  const bool on_authenticator = row_of(type_).on_authenticator;
  if (on_authenticator) {
    facts.flags = frame.u8();
    facts.counter = frame.u32();
  }
  if (!frame.ok()) return fail(KeyError::malformed);
  if (named != algorithm) return fail(KeyError::algorithm_mismatch);
  if (!frame.at_end()) return fail(KeyError::trailing_bytes);

  const auto form = library_form(*this, body);
  if (!form) return fail(form.error());
  std::vector<uint8_t> wrapped;
  if (on_authenticator) {
    wrapped = authenticator_data(application_, facts, data);
    data = wrapped;
  }
  if (!library_accepts(key_.get(), evp_digest(wanted->digest), *form, data)) return fail(KeyError::bad_signature);
  // Only now: before the signature is known to be good the flags are anybody's words.
  if (policy.presence_required && !(facts.flags & kUserPresent) && on_authenticator)
    return fail(KeyError::presence_missing);
  if (policy.verification_required && !(facts.flags & kUserVerified) && on_authenticator)
    return fail(KeyError::verification_missing);
  return facts;
}

}  // namespace sluice
