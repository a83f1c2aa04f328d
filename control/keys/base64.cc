// Base64 in both directions over plain and over secret memory.
#include "control/keys/base64.h"

#include <array>

namespace sluice {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr uint8_t kNotInAlphabet = 0xff;

constexpr std::array<uint8_t, 256> kValues = [] {
  std::array<uint8_t, 256> values{};
  values.fill(kNotInAlphabet);
  for (size_t i = 0; i < kAlphabet.size(); ++i) values[static_cast<uint8_t>(kAlphabet[i])] = static_cast<uint8_t>(i);
  return values;
}();

// Size of what the text decodes to, nothing when no text of this length can be canonical.
std::optional<size_t> decoded_size(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  if (text.empty()) return 0;
  size_t padding = text.back() == '=' ? 1 : 0;
  if (padding && text[text.size() - 2] == '=') padding = 2;
  return text.size() / 4 * 3 - padding;
}

bool decode_into(std::string_view text, MutableBytes out) {
  size_t written = 0;
  for (size_t at = 0; at < text.size(); at += 4) {
    uint32_t group = 0;
    for (size_t i = 0; i < 4; ++i) {
      const bool padding = text[at + i] == '=' && at + 4 == text.size() && at / 4 * 3 + i > out.size();
      const uint8_t value = padding ? uint8_t{0} : kValues[static_cast<uint8_t>(text[at + i])];
      if (value == kNotInAlphabet) return false;
      group = group << 6 | value;
    }
    for (int shift = 16; shift >= 0; shift -= 8) {
      const auto byte = static_cast<uint8_t>(group >> shift);
      if (written < out.size())
        out[written++] = byte;
      else if (byte != 0)
        return false;  // bits behind the last byte: a second text for the same bytes
    }
  }
  return true;
}

}  // namespace

void base64_encode_into(Bytes from, char* out) {
  for (size_t at = 0; at < from.size(); at += 3) {
    const size_t left = from.size() - at;
    uint32_t group = static_cast<uint32_t>(from[at]) << 16;
    if (left > 1) group |= static_cast<uint32_t>(from[at + 1]) << 8;
    if (left > 2) group |= from[at + 2];
    *out++ = kAlphabet[group >> 18];
    *out++ = kAlphabet[group >> 12 & 63];
    *out++ = left > 1 ? kAlphabet[group >> 6 & 63] : '=';
    *out++ = left > 2 ? kAlphabet[group & 63] : '=';
  }
}

std::string base64_encode(Bytes from) {
  std::string text(base64_size(from.size()), '=');
  base64_encode_into(from, text.data());
  return text;
}

std::optional<std::vector<uint8_t>> base64_decode(std::string_view text) {
  const auto size = decoded_size(text);
  if (!size) return std::nullopt;
  std::vector<uint8_t> bytes(*size);
  if (!decode_into(text, bytes)) return std::nullopt;
  return bytes;
}

std::optional<Secret> base64_decode_secret(std::string_view text) {
  const auto size = decoded_size(text);
  if (!size) return std::nullopt;
  Secret bytes(*size);
  if (!decode_into(text, bytes.view())) return std::nullopt;
  return bytes;
}

}  // namespace sluice
