// HostKeyStore: a folder of host keys, one file for each type and label, 0700 and ours alone.
//
// A key is "TYPE.LABEL" with TYPE as on the management shell (rsa, ecdsa-nistp256, ed25519) and, beside it, the same
// name with .pub for people. The private file is what counts.
#pragma once

#include <ctime>
#include <string>
#include <vector>

#include "control/keys/private_key_file.h"

namespace sluice {

// As IOS XR names the pairs that it makes at its first start.
inline constexpr std::string_view kDefaultKeyLabel = "the_default";
inline constexpr size_t kMaxKeyLabel = 64;
// Whoever may generate keys may not fill the disk with them.
inline constexpr size_t kMaxHostKeys = 256;

struct HostKeyInfo {
  std::string label;
  PublicKey key;
  std::time_t created;
};

// Letters, digits, '.', '_' and '-', no leading '.' or '-': never a path, an option or a hidden file.
bool valid_key_label(std::string_view label);

class HostKeyStore {
 public:
  // Creates the folder where it is missing; refuses one that is not ours or that others can enter.
  static ResultOrText<HostKeyStore> open(std::string folder, const KeyLimits& limits = {});

  // Makes what is missing under the default label: ed25519, the three ecdsa, rsa. Returns the types made. What was
  // zeroized stays away until somebody generates it.
  ResultOrText<std::vector<KeyType>> generate_missing() const;
  // Replaces the pair where there is one; whether to is asked before. bits counts for RSA only, 0 is its default.
  ResultOrText<PublicKey> generate(KeyType type, std::string_view label = kDefaultKeyLabel, unsigned bits = 0) const;
  ResultOrText<PublicKey> import(const std::string& path, const PassphraseSource& passphrase,
                                 std::string_view label = kDefaultKeyLabel) const;
  // Overwritten before it is unlinked. False when there was none.
  ResultOrText<bool> zeroize(KeyType type, std::string_view label = kDefaultKeyLabel) const;

  bool has(KeyType type, std::string_view label = kDefaultKeyLabel) const;
  ResultOrText<PrivateKey> load(KeyType type, std::string_view label = kDefaultKeyLabel) const;
  // By type, then label. What cannot be read is told in problems, if given, and left out.
  ResultOrText<std::vector<HostKeyInfo>> list(std::vector<std::string>* problems = nullptr) const;

  const std::string& folder() const { return folder_; }

 private:
  HostKeyStore(std::string folder, const KeyLimits& limits) : folder_(std::move(folder)), limits_(limits) {}
  ResultOrText<std::string> path_of(KeyType type, std::string_view label) const;
  std::string unwanted_mark(KeyType type) const;
  ResultOrText<PublicKey> keep(const PrivateKey& key, std::string_view label) const;

  std::string folder_;
  KeyLimits limits_;
};

}  // namespace sluice
