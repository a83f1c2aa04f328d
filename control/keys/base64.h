// Base64 of RFC 4648 section 4, strict: padded, canonical, no white space. One text has one meaning.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"

namespace sluice {

constexpr size_t base64_size(size_t bytes) { return (bytes + 2) / 3 * 4; }

std::string base64_encode(Bytes from);
// For private keys: the text is as secret as what it encodes.
void base64_encode_into(Bytes from, char* out);

std::optional<std::vector<uint8_t>> base64_decode(std::string_view text);
std::optional<Secret> base64_decode_secret(std::string_view text);

}  // namespace sluice
