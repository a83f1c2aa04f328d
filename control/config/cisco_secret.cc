// Type 7: two digits say where in a known key the text starts, then each octet in hex is one character xor the key.
#include "control/config/cisco_secret.h"

namespace sluice {
namespace {

constexpr std::string_view kKey = "dsfd;kfoA,.iyewrkldJKDHSUBsgvca69834ncxv9873254k;fg87";

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::optional<std::string> decode_type7(std::string_view text) {
  if (text.size() < 4 || text.size() % 2 != 0) return std::nullopt;
  const int tens = digit_of(text[0]), ones = digit_of(text[1]);
  if (tens < 0 || tens > 9 || ones < 0 || ones > 9) return std::nullopt;
  size_t at = static_cast<size_t>(tens * 10 + ones);
  std::string plain;
  for (size_t i = 2; i < text.size(); i += 2, ++at) {
    const int high = digit_of(text[i]), low = digit_of(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    plain += static_cast<char>((high * 16 + low) ^ kKey[at % kKey.size()]);
  }
  return plain.find('\0') == std::string::npos ? std::optional(plain) : std::nullopt;
}

}  // namespace sluice
