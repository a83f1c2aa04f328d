// HMAC (RFC 2104) for a key that many records share, without an allocation per record.
//
// OpenSSL 3.0 allocates in every form that its EVP offers: EVP_MAC and HMAC_* always did, and since its later patch
// releases EVP_DigestInit_ex on a reused context does too. Its low-level digests do not, run the same assembly, and let
// the two key blocks be hashed once for all records. See docs/adr/0002-openssl-low-level-digests.md.
#pragma once

#include <memory>

#include "base/bytes.h"
#include "crypto_offload/cipher_suite.h"

namespace sluice {

class OpenSslHmac {
 public:
  virtual ~OpenSslHmac() = default;
  // The whole digest over sequence number and record; at most kMaxTagBytes.
  virtual void compute(uint32_t sequence, const uint8_t* record, size_t n, uint8_t* out) const = 0;
};

// The key is no longer than a block of the digest: no SSH MAC has such a key.
std::unique_ptr<OpenSslHmac> make_openssl_hmac(MacKind kind, Bytes key);

}  // namespace sluice
