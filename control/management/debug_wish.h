// DebugWish: what an operator wants told: kinds of lines, of one session, of one address, or of all.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {

struct DebugWish {
  uint32_t kinds = 0;
  uint64_t session = 0;      // zero: of any
  std::string address = {};  // empty: of any

  bool operator==(const DebugWish&) const = default;
  bool wants(uint32_t kind, uint64_t of_session, std::string_view of_address) const {
    return (kinds & kind) != 0 && (session == 0 || session == of_session) && (address.empty() || address == of_address);
  }
};

// Of one shell. Each line of debugging is held against all.
inline constexpr size_t kMostWishes = 16;
// Of all shells together, as they are told to the process that has the lines; where there are more, it tells all.
inline constexpr size_t kMostWishesTold = 64;

inline bool any_wants(std::span<const DebugWish> wishes, uint32_t kind, uint64_t session, std::string_view address) {
  for (const DebugWish& wish : wishes)
    if (wish.wants(kind, session, address)) return true;
  return false;
}

// "KINDS SESSION ADDRESS" of each, "-" for no address; nothing where nobody wants anything.
std::string wishes_text(std::span<const DebugWish> wishes);
// What cannot be read ends the list.
std::vector<DebugWish> read_wishes(std::string_view text);

}  // namespace sluice
