// Fingerprints: what a person compares, and what `key-hash` of the configuration holds instead of a key.
#pragma once

#include <string>

#include "control/keys/public_key.h"

namespace sluice {

// "SHA256:" and base64 without padding.
std::string sha256_fingerprint(const PublicKey& key);
// "MD5:" and 16 octets in hex with colons.
std::string md5_fingerprint(const PublicKey& key);
// 32 upper-case hex digits of the blob's MD5, as IOS stores it behind `key-hash ssh-rsa`.
std::string key_hash(const PublicKey& key);
// Case and colons do not count; anything but 16 octets of hex matches nothing.
bool matches_key_hash(const PublicKey& key, std::string_view hex);
enum class FingerprintHash : uint8_t { sha256, md5 };
inline std::string fingerprint(const PublicKey& key, FingerprintHash hash) {
  return hash == FingerprintHash::md5 ? md5_fingerprint(key) : sha256_fingerprint(key);
}
// "256 SHA256:... comment (ED25519)".
std::string describe_key(const PublicKey& key, std::string_view comment);
// The picture that `ssh-keygen -lv` draws: eleven lines, each ended.
std::string randomart(const PublicKey& key);

}  // namespace sluice
