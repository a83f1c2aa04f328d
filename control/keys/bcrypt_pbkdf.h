// bcrypt_pbkdf, the key derivation of OpenSSH's key files: PBKDF2's shape around a bcrypt with 512-bit inputs.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace sluice {

// Fills out. False for what has no defined answer: an empty passphrase or salt, no rounds, no or too much output.
// One round of up to 32 bytes costs about 2 ms, so whoever takes the rounds from a file bounds them first.
bool bcrypt_pbkdf(Bytes passphrase, Bytes salt, uint32_t rounds, MutableBytes out);

}  // namespace sluice
