// An address of IPv4 or IPv6, as headers hold it.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include "base/bytes.h"

namespace sluice {

struct IpAddress {
  std::array<uint8_t, 16> bytes{};  // IPv4: the first four
  bool v6 = false;

  static IpAddress of_v4(const uint8_t* four) {
    IpAddress out;
    std::memcpy(out.bytes.data(), four, 4);
    return out;
  }
  static IpAddress of_v6(const uint8_t* sixteen) {
    IpAddress out;
    out.v6 = true;
    std::memcpy(out.bytes.data(), sixteen, 16);
    return out;
  }
  // Numeric, without a zone.
  static std::optional<IpAddress> parse(const std::string& text);
  std::string text() const;

  size_t size() const { return v6 ? 16 : 4; }
  Bytes view() const { return {bytes.data(), size()}; }
  bool operator==(const IpAddress& other) const {
    std::array<uint64_t, 2> mine, theirs;
    std::memcpy(mine.data(), bytes.data(), 16);
    std::memcpy(theirs.data(), other.bytes.data(), 16);
    return ((mine[0] ^ theirs[0]) | (mine[1] ^ theirs[1])) == 0 && v6 == other.v6;
  }
  auto operator<=>(const IpAddress&) const = default;

  bool is_unspecified() const { return *this == IpAddress{{}, v6}; }
  bool is_multicast() const { return v6 ? bytes[0] == 0xff : (bytes[0] & 0xf0) == 0xe0; }
  bool is_loopback() const;
  bool is_link_local() const { return v6 && bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80; }
  // One that may be a packet's source or a host's address.
  bool is_unicast() const { return !is_unspecified() && !is_multicast() && !is_loopback() && (v6 || bytes[0] < 240); }
  // The first `bits` are alike.
  bool in(const IpAddress& network, unsigned bits) const;
};

}  // namespace sluice
