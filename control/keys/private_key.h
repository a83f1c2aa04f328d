// PrivateKey: generates, signs, and gives its numbers to be written into a file. Wiped when dropped.
#pragma once

#include <memory>
#include <vector>

#include "base/secret.h"
#include "control/keys/public_key.h"

namespace sluice {

class WireReader;

inline constexpr unsigned kRsaBitsDefault = 3072;
// Generating grows with the fourth power of the length; 8192 bits take half a minute and 16384 many.
inline constexpr unsigned kRsaBitsMaxGenerated = 8192;
// The private numbers of the longest RSA key, with room.
inline constexpr size_t kMaxPrivateFields = 16 * 1024;

class PrivateKey {
 public:
  // bits counts for RSA only; 0 is its default length.
  static KeyResult<PrivateKey> generate(KeyType type, unsigned bits = 0, const KeyLimits& limits = {});
  // Type name and private numbers as they stand in OpenSSH's files and on the way to an agent. What follows them is
  // left in the reader. Both halves are checked against each other.
  static KeyResult<PrivateKey> parse(WireReader& fields, const KeyLimits& limits = {});
  // Out of a key that libcrypto read; it stays the caller's.
  static KeyResult<PrivateKey> from_libcrypto(const evp_pkey_st* key, const KeyLimits& limits = {});

  // Of an engine or a token, which signs with it: only the public half is here. The key becomes ours.
  static KeyResult<PrivateKey> held_elsewhere(evp_pkey_st* key, const KeyLimits& limits = {});

  const PublicKey& public_key() const { return public_key_; }
  KeyType type() const { return public_key_.type(); }
  bool is_held_elsewhere() const { return held_elsewhere_; }

  // A whole signature blob: algorithm name and body.
  KeyResult<std::vector<uint8_t>> sign(std::string_view algorithm, Bytes data) const;
  // What parse() reads; unsupported for one that is held elsewhere.
  KeyResult<Secret> fields() const;

 private:
  struct Free {
    void operator()(evp_pkey_st* key) const;
  };

  PrivateKey(PublicKey public_key, evp_pkey_st* key) : public_key_(std::move(public_key)), key_(key) {}

  PublicKey public_key_;
  std::unique_ptr<evp_pkey_st, Free> key_;
  bool held_elsewhere_ = false;
};

}  // namespace sluice
