// Where the fields of Ethernet, ARP, IP and ICMP headers are, and 16-bit loads and stores.
#pragma once

#include "base/bytes.h"

namespace sluice {

inline uint16_t load_be16(const uint8_t* p) { return static_cast<uint16_t>(p[0] << 8 | p[1]); }
inline void store_be16(uint8_t* p, uint16_t v) {
  p[0] = static_cast<uint8_t>(v >> 8);
  p[1] = static_cast<uint8_t>(v);
}

inline constexpr size_t kEthernetHeader = 14;
inline constexpr uint16_t kEtherIpv4 = 0x0800;
inline constexpr uint16_t kEtherArp = 0x0806;
inline constexpr uint16_t kEtherIpv6 = 0x86dd;
inline constexpr size_t kArpPacket = 28;
inline constexpr size_t kIpv4Header = 20;
inline constexpr size_t kIpv6Header = 40;
inline constexpr size_t kIcmpHeader = 8;

inline constexpr uint8_t kProtocolIcmp = 1;
inline constexpr uint8_t kProtocolTcp = 6;
inline constexpr uint8_t kProtocolUdp = 17;
inline constexpr uint8_t kProtocolIcmpv6 = 58;

// RFC 1122 section 3.2.1.7's default, and what neighbour discovery demands as proof of being a neighbour.
inline constexpr uint8_t kHopLimit = 64;
inline constexpr uint8_t kNeighbourHopLimit = 255;

}  // namespace sluice
