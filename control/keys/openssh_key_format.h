// The openssh-key-v1 container (PROTOCOL.key) behind the BEGIN OPENSSH PRIVATE KEY line. Private to control/keys.
#pragma once

#include "control/keys/private_key_file.h"

namespace sluice {

inline constexpr std::string_view kOpensshBegin = "-----BEGIN OPENSSH PRIVATE KEY-----";

KeyResult<NamedPrivateKey> parse_openssh_key(std::string_view text, const PassphraseSource& passphrase,
                                             const KeyFileLimits& limits);
KeyResult<PublicKey> parse_openssh_public_half(std::string_view text, const KeyLimits& limits);
KeyResult<Secret> format_openssh_key(const PrivateKey& key, std::string_view comment, const KeySealing* sealing);

}  // namespace sluice
