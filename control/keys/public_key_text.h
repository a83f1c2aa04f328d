// Public keys as text: the one-line form of .pub files, RFC 4716, and what people paste into a configuration.
#pragma once

#include <string>

#include "control/keys/public_key.h"

namespace sluice {

// A file of one key; more than that is not a key.
inline constexpr size_t kMaxPublicKeyText = 32 * 1024;

struct NamedPublicKey {
  PublicKey key;
  std::string comment;
};

// "ssh-ed25519 AAAA... comment", without a line end.
std::string to_text(const PublicKey& key, std::string_view comment);
// One line of that form. The type in front must be the type in the blob.
KeyResult<NamedPublicKey> parse_public_key_line(std::string_view line, const KeyLimits& limits = {});

// RFC 4716, from "---- BEGIN SSH2 PUBLIC KEY ----" on.
KeyResult<NamedPublicKey> parse_rfc4716(std::string_view text, const KeyLimits& limits = {});

// Whatever of these it is: RFC 4716, a line (perhaps wrapped, as a terminal pastes it), bare base64, the bare blob.
KeyResult<NamedPublicKey> read_public_key(Bytes file, const KeyLimits& limits = {});

}  // namespace sluice
