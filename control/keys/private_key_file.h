// Private keys as files: OpenSSH's own format read and written; PKCS#1, SEC1 and PKCS#8 in PEM read.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "control/keys/private_key.h"

namespace sluice {

inline constexpr size_t kMaxPrivateKeyFile = 64 * 1024;

// A file names the work that opening it takes. The bounds keep it within some seconds.
struct KeyFileLimits {
  KeyLimits key{};
  uint32_t max_bcrypt_rounds = 1024;
  uint32_t max_pbkdf2_iterations = 4 << 20;
  uint64_t max_scrypt_work = 1 << 22;  // N * r * p
};

struct NamedPrivateKey {
  PrivateKey key;
  std::string comment;
};

// Asked at most once for a file, and only when the file is encrypted. Nothing: there is none to be had.
using PassphraseSource = std::function<std::optional<Secret>()>;

KeyResult<NamedPrivateKey> parse_private_key(Bytes file, const PassphraseSource& passphrase,
                                             const KeyFileLimits& limits = {});
// The public half of a file in OpenSSH's format, for which no passphrase is needed.
KeyResult<PublicKey> public_half_of(Bytes file, const KeyLimits& limits = {});

struct KeySealing {
  Secret passphrase;
  uint32_t rounds = 24;
  std::string_view cipher = "aes256-ctr";
};

// sealing null: not encrypted.
KeyResult<Secret> format_private_key(const PrivateKey& key, std::string_view comment, const KeySealing* sealing);

// From a path: a regular file of bounded size; whose private bits others could read is refused.
ResultOrText<NamedPrivateKey> load_private_key(const std::string& path, const PassphraseSource& passphrase,
                                               const KeyFileLimits& limits = {});
// Mode 0600, whole or not at all.
ResultOrText<void> save_private_key(const std::string& path, const PrivateKey& key, std::string_view comment,
                                    const KeySealing* sealing);

}  // namespace sluice
