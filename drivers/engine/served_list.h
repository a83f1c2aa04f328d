// Which modes are served: the value of ALGORITHMS, of both the ENGINE and the provider.
#pragma once

#include <optional>
#include <string_view>

#include "drivers/engine/cipher_rows.h"

namespace sluice {

class ServedModes {
 public:
  static constexpr ServedModes all() { return ServedModes(~0u); }
  static constexpr ServedModes none() { return ServedModes(0); }
  // Nothing where a word of it is none of ours.
  static std::optional<ServedModes> parse(std::string_view list) {
    unsigned bits = 0;
    while (!list.empty()) {
      const size_t comma = list.find(',');
      const std::string_view word = list.substr(0, comma);
      list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
      const unsigned bit = bit_of(word);
      if (bit == 0) return std::nullopt;
      bits |= bit;
    }
    return ServedModes(bits);
  }
  bool has(ServedMode mode) const { return (bits_ & (1u << static_cast<unsigned>(mode))) != 0; }

 private:
  explicit constexpr ServedModes(unsigned bits) : bits_(bits) {}
  static unsigned bit_of(std::string_view word) {
    constexpr std::array<std::string_view, 5> kWords{"ctr", "cbc", "gcm", "chacha20-poly1305", "hmac"};
    while (word.starts_with(' ')) word.remove_prefix(1);
    while (word.ends_with(' ')) word.remove_suffix(1);
    for (unsigned i = 0; i < kWords.size(); ++i)
      if (word == kWords[i]) return 1u << i;
    return 0;
  }
  unsigned bits_;
};

}  // namespace sluice
