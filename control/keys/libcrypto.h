// Owners of libcrypto's objects, and keys built from numbers. Private to control/keys.
#pragma once

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <memory>

#include "base/bytes.h"
#include "base/freed.h"
#include "control/keys/key_error.h"
#include "control/keys/key_type.h"

namespace sluice {

using BigNumber = std::unique_ptr<BIGNUM, Freed<BN_clear_free>>;
using BigNumberContext = std::unique_ptr<BN_CTX, Freed<BN_CTX_free>>;
using EvpKey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using EvpKeyContext = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using EvpDigestContext = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using EvpCipher = std::unique_ptr<EVP_CIPHER, Freed<EVP_CIPHER_free>>;
using EvpCipherContext = std::unique_ptr<EVP_CIPHER_CTX, Freed<EVP_CIPHER_CTX_free>>;
using EvpMac = std::unique_ptr<EVP_MAC, Freed<EVP_MAC_free>>;
using EvpMacContext = std::unique_ptr<EVP_MAC_CTX, Freed<EVP_MAC_CTX_free>>;
using EcdsaPair = std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>>;

BigNumber number_from(Bytes magnitude);
// Flagged secure, which makes libcrypto wipe every copy that it takes on the way into a key.
BigNumber secret_number_from(Bytes magnitude);
// Null when the key has no such number.
BigNumber number_of(const EVP_PKEY* key, const char* parameter);
const EVP_MD* evp_digest(SignatureDigest digest);

// The numbers of a key on their way into an EVP_PKEY.
class KeyBuilder {
 public:
  KeyBuilder() : parameters_(OSSL_PARAM_BLD_new()) {}

  // What is pushed must outlive build().
  KeyBuilder& number(const char* name, const BIGNUM* value);
  KeyBuilder& octets(const char* name, Bytes value);
  KeyBuilder& text(const char* name, const char* value);
  // selection: EVP_PKEY_PUBLIC_KEY or EVP_PKEY_KEYPAIR. Null when libcrypto refuses the numbers.
  EvpKey build(const char* algorithm, int selection);

 private:
  std::unique_ptr<OSSL_PARAM_BLD, Freed<OSSL_PARAM_BLD_free>> parameters_;
  bool ok_ = true;
};

}  // namespace sluice
