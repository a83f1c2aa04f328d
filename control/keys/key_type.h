// The key types and signature algorithms as const data: names, curves, digests, what is on by default.
//
// A key type is what a blob begins with; a signature algorithm is what is negotiated and what a signature begins with.
// They differ for RSA only: one type, three algorithms (RFC 8332 section 3).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace sluice {

enum class KeyType : uint8_t {
  ed25519,
  ecdsa_nistp256,
  ecdsa_nistp384,
  ecdsa_nistp521,
  rsa,
  dsa,
  sk_ed25519,
  sk_ecdsa_nistp256,
  count_,
};

struct CurveRow {
  std::string_view name;      // in blobs, RFC 5656 section 10.1
  const char* group;          // libcrypto's name
  unsigned bits;              // of the field and of the order
  unsigned coordinate_bytes;  // a point is 04 || X || Y
};

struct KeyTypeRow {
  KeyType type;
  std::string_view name;        // in blobs and text lines
  std::string_view store_name;  // in file names of the host key store and on the management shell
  std::string_view family;      // behind a fingerprint, as in "256 SHA256:... (ED25519)"
  const CurveRow* curve;        // null where there is no named curve
  bool on_authenticator;        // the private half lives in a FIDO device (PROTOCOL.u2f)
};

enum class SignatureDigest : uint8_t { none, sha1, sha256, sha384, sha512 };

struct SignatureAlgorithm {
  std::string_view name;
  KeyType key_type;
  SignatureDigest digest;
  unsigned min_bits;  // a shorter key may not use it unless the configured limits say so
  bool on_by_default;
};

const KeyTypeRow& row_of(KeyType type);
const KeyTypeRow* find_key_type(std::string_view name);
const KeyTypeRow* find_key_type_by_store_name(std::string_view store_name);
std::span<const KeyTypeRow> all_key_types();

// In our order of preference: what is offered as server-host-key algorithms and in server-sig-algs.
std::span<const SignatureAlgorithm> all_signature_algorithms();
const SignatureAlgorithm* find_signature_algorithm(std::string_view name);
// The strongest algorithm that is on by default for the type; null where all of them are off.
const SignatureAlgorithm* preferred_algorithm(KeyType type);

}  // namespace sluice
