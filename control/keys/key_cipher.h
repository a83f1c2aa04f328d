// The ciphers that a private key file may be sealed with: names, sizes, and opening and sealing of the private section.
#pragma once

#include <string_view>
#include <vector>

#include "base/secret.h"
#include "control/keys/key_error.h"

namespace sluice {

enum class KeyCipherMode : uint8_t { none, counter, chained, gcm, chacha20_poly1305 };

struct KeyCipher {
  std::string_view name;  // as in SSH
  const char* library_name;
  KeyCipherMode mode;
  uint8_t key_size;
  uint8_t iv_size;
  uint8_t block_size;  // what the section is padded to
  uint8_t tag_size;    // bytes behind the section
};

const KeyCipher* find_key_cipher(std::string_view name);

// key_and_iv is what the key derivation gave: key_size + iv_size bytes. sealed must be whole blocks.
KeyResult<Secret> open_key_section(const KeyCipher& cipher, Bytes key_and_iv, Bytes sealed, Bytes tag);
// Section and tag, one behind the other. Not for "none": a clear section stays in secret memory.
KeyResult<std::vector<uint8_t>> seal_key_section(const KeyCipher& cipher, Bytes key_and_iv, Bytes section);

}  // namespace sluice
