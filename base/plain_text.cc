// A walk over characters, not bytes: dropping bytes could join what lay around them to a new control character.
#include "base/plain_text.h"

#include <cstdint>

namespace sluice {
namespace {

struct Character {
  uint32_t code;
  size_t bytes;  // 0: the first byte begins no character
};

// RFC 3629 section 4: the shortest form alone, no surrogates.
Character first_character(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const size_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < bytes) return {0, 0};
  uint32_t code = lead & (0xffu >> (bytes + 1));
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {0, 0};
    code = code << 6 | (byte(i) & 0x3fu);
  }
  const bool shortest = code >= (bytes == 4 ? 0x10000u : bytes == 3 ? 0x800u : 0x80u);
  const bool surrogate = code >= 0xd800 && code < 0xe000;
  if (!shortest || surrogate || code > 0x10ffff) return {0, 0};
  return {code, bytes};
}

// U+0080 to U+009F too: some terminals take them for the escape sequences that they once were.
bool is_control(uint32_t code) { return code < 0x20 || (code >= 0x7f && code < 0xa0); }

}  // namespace

std::string terminal_text(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    const Character next = first_character(text);
    if (next.bytes == 0) {
      shown += '?';
    } else if (!is_control(next.code) || next.code == '\n' || next.code == '\t') {
      shown += text.substr(0, next.bytes);
    }
    text.remove_prefix(next.bytes == 0 ? 1 : next.bytes);
  }
  return shown;
}

std::string log_text(std::string_view text) {
  std::string shown = terminal_text(text);
  for (char& c : shown)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  return shown;
}

}  // namespace sluice
