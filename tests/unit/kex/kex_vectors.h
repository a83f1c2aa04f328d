// Reading the published answers of the key exchange tests.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "control/kex/hash.h"

namespace sluice {

inline std::vector<uint8_t> from_hex(std::string_view hex) {
  const auto nibble = [](char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; };
  std::vector<uint8_t> out(hex.size() / 2);
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<uint8_t>(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
  }
  return out;
}

inline std::string to_hex(Bytes bytes) {
  std::string out;
  for (uint8_t byte : bytes) {
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

inline std::string hash_hex(HashId id, Bytes input) {
  Digest digest;
  digest.size = hash_size(id);
  hash_into(id, {input}, MutableBytes(digest.bytes).first(digest.size));
  return to_hex(digest.view());
}

}  // namespace sluice
