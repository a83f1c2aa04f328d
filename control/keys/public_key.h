// PublicKey: the public half of a key as it stands in RFC 4253 blobs, checked when parsed, able to verify signatures.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "control/keys/key_error.h"
#include "control/keys/key_type.h"

struct evp_pkey_st;

namespace sluice {

class WireReader;

// Below the floor a key can be factored by anyone who cares; above the ceiling one verification takes long enough for a
// stranger to keep a core busy with a few connections.
inline constexpr unsigned kRsaBitsFloor = 1024;
inline constexpr unsigned kRsaBitsDefaultMin = 2048;
inline constexpr unsigned kRsaBitsCeiling = 16384;
// Room for an RSA key of the ceiling and for a hardware key with a long application name.
inline constexpr size_t kMaxPublicBlob = 8192;

struct KeyLimits {
  unsigned min_rsa_bits = kRsaBitsDefaultMin;
  unsigned max_rsa_bits = kRsaBitsCeiling;
};

// What a FIDO authenticator has to have done for its signature to count (PROTOCOL.u2f).
struct TouchPolicy {
  bool presence_required = true;
  bool verification_required = false;
};

// Zeros for keys that live in no authenticator.
struct AuthenticatorFacts {
  uint8_t flags = 0;
  uint32_t counter = 0;
};

class PublicKey {
 public:
  static KeyResult<PublicKey> parse(Bytes blob, const KeyLimits& limits = {});

  KeyType type() const { return type_; }
  std::string_view type_name() const { return row_of(type_).name; }
  Bytes blob() const { return blob_; }
  unsigned bits() const { return bits_; }
  // The bare 32 octets or the point 04 || X || Y; the modulus of RSA, the public number of DSA.
  Bytes material() const { return Bytes(blob_).subspan(material_at_, material_size_); }
  // Of an authenticator key, "ssh:" as a rule; empty for others.
  std::string_view application() const { return application_; }

  // algorithm is the one that was negotiated: a signature that names another one is refused even where it is valid.
  KeyResult<AuthenticatorFacts> verify(Bytes signature, std::string_view algorithm, Bytes data,
                                       const TouchPolicy& policy = {}) const;

  bool operator==(const PublicKey& other) const { return blob_ == other.blob_; }

  // Valid as long as this key; for the folder's own use.
  evp_pkey_st* libcrypto_key() const { return key_.get(); }

 private:
  PublicKey() = default;
  KeyResult<void> parse_fields(const KeyLimits& limits);
  KeyResult<void> parse_ed25519(WireReader& fields);
  KeyResult<void> parse_ecdsa(WireReader& fields);
  KeyResult<void> parse_rsa(WireReader& fields, const KeyLimits& limits);
  KeyResult<void> parse_dsa(WireReader& fields);
  void keep_material(Bytes view);
  void adopt(evp_pkey_st* key);

  KeyType type_ = KeyType::ed25519;
  unsigned bits_ = 0;
  std::vector<uint8_t> blob_;
  size_t material_at_ = 0;
  size_t material_size_ = 0;
  std::string application_;
  // Never changed after parse(), so copies of a PublicKey share it.
  std::shared_ptr<evp_pkey_st> key_;
};

}  // namespace sluice
