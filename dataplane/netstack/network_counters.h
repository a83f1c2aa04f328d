// What came in and went out of a network layer, and why frames were dropped.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "base/counter.h"

namespace sluice {

enum class NetDrop : uint8_t {
  short_frame,    // less than its headers say
  other_station,  // Ethernet: not for us
  ether_type,     // no protocol of ours, VLAN tags included
  ip_header,      // version, lengths
  ip_checksum,
  ip_address,  // a source that can be nobody's
  fragment,    // refused: TCP's segments fit, and reassembly is an attacker's memory
  source_route,
  extension,  // IPv6 headers in front that are too many, or unknown
  not_ours,   // IP: for another address
  protocol,   // neither TCP nor ICMP
  icmp,       // malformed, or about nothing that we sent
  arp,
  neighbour,  // NDP: malformed, or from beyond the link
  rate,       // answers that would be too many
  no_route,
  unresolved,  // the neighbour's address is not known yet
  no_room,     // the port is full
  count_,
};

inline constexpr std::array<std::string_view, static_cast<size_t>(NetDrop::count_)> kNetDropNames{
    "short",    "other-station", "ether-type", "ip-header", "ip-checksum", "ip-address",
    "fragment", "source-route",  "extension",  "not-ours",  "protocol",    "icmp",
    "arp",      "neighbour",     "rate",       "no-route",  "unresolved",  "no-room"};

// One thread counts, any thread reads.
struct NetCounters {
  Counter frames_in;
  Counter frames_out;
  Counter echoes;
  Counter errors_sent;  // ICMP
  Counter duplicates;   // somebody else said that an address of ours is his
  std::array<Counter, static_cast<size_t>(NetDrop::count_)> drops;

  void drop(NetDrop why) { drops[static_cast<size_t>(why)].add(); }
  uint64_t dropped(NetDrop why) const { return drops[static_cast<size_t>(why)].get(); }
  // "in 12, out 10; dropped: fragment 2"
  std::string text() const;
};

}  // namespace sluice
