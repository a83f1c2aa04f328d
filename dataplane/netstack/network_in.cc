// What comes in: Ethernet's and IP's headers, with every length doubted.
#include "dataplane/netstack/headers.h"
#include "dataplane/netstack/network_layer.h"

namespace sluice {
namespace {

constexpr uint8_t kHopByHop = 0, kRouting = 43, kFragment = 44, kDestination = 60;
constexpr int kMostExtensions = 8;

// RFC 791: a path that the sender chose. Nobody honest sends one.
bool has_source_route(Bytes options) {
  for (size_t i = 0; i < options.size();) {
    const uint8_t kind = options[i];
    if (kind == 0) return false;
    if (kind == 1) {
      ++i;
      continue;
    }
    if (kind == 131 || kind == 137) return true;
    if (i + 1 >= options.size() || options[i + 1] < 2) return false;
    i += options[i + 1];
  }
  return false;
}

}  // namespace

void NetworkLayer::input(MutableBytes frame, std::span<const Bytes> more, FrameFacts facts, uint64_t now) {
  counters_.frames_in.add();
  if (frame.size() < kEthernetHeader) return drop(NetDrop::short_frame);
  MacAddress to;
  std::copy_n(frame.begin(), 6, to.begin());
  Packet packet;
  std::copy_n(frame.begin() + 6, 6, packet.station.begin());
  packet.whole = frame.subspan(kEthernetHeader);
  packet.more = more;
  packet.good = facts.checksums_good;
  if ((to[0] & 1) == 0 && to != settings_.mac) return drop(NetDrop::other_station);
  switch (load_be16(frame.data() + 12)) {
    case kEtherIpv4: return take_ipv4(packet, now);
    case kEtherIpv6: return take_ipv6(packet, now);
    case kEtherArp: return take_arp(packet.whole, now);
    default: return drop(NetDrop::ether_type);
  }
}

void NetworkLayer::take_ipv4(Packet& packet, uint64_t now) {
  const MutableBytes bytes = packet.whole;
  if (bytes.size() < kIpv4Header) return drop(NetDrop::short_frame);
  const size_t header = size_t{bytes[0] & 0xfu} * 4;
  const size_t total = load_be16(bytes.data() + 2);
  if (bytes[0] >> 4 != 4 || header < kIpv4Header || header > total) return drop(NetDrop::ip_header);
  if (header > bytes.size() || !fit(packet, total)) return drop(NetDrop::short_frame);
  if (!packet.good && InetChecksum().add_header(bytes.data(), header / 4).value() != 0)
    return drop(NetDrop::ip_checksum);
  // More fragments, or not the first.
  if ((load_be16(bytes.data() + 6) & 0x3fff) != 0) return drop(NetDrop::fragment);
  if (header > kIpv4Header && has_source_route(bytes.subspan(kIpv4Header, header - kIpv4Header))) {
    return drop(NetDrop::source_route);
  }
  packet.content = packet.whole.subspan(header);
  packet.from = IpAddress::of_v4(bytes.data() + 12);
  packet.to = IpAddress::of_v4(bytes.data() + 16);
  packet.hop_limit = bytes[8];
  packet.protocol = bytes[9];
  take_packet(packet, now);
}

void NetworkLayer::take_ipv6(Packet& packet, uint64_t now) {
  const MutableBytes bytes = packet.whole;
  if (bytes.size() < kIpv6Header) return drop(NetDrop::short_frame);
  // A length of 0 is a jumbogram's, which no link of ours carries.
  const size_t length = load_be16(bytes.data() + 4);
  if (bytes[0] >> 4 != 6 || length == 0) return drop(NetDrop::ip_header);
  if (!fit(packet, kIpv6Header + length)) return drop(NetDrop::short_frame);
  packet.content = packet.whole.subspan(kIpv6Header);
  packet.from = IpAddress::of_v6(bytes.data() + 8);
  packet.to = IpAddress::of_v6(bytes.data() + 24);
  packet.hop_limit = bytes[7];
  packet.protocol = bytes[6];
  if (skip_extensions(packet)) take_packet(packet, now);
}

// Cuts padding off. False: the packet says that it is longer than what is there.
bool NetworkLayer::fit(Packet& packet, size_t total) {
  if (total <= packet.whole.size()) {
    packet.whole = packet.whole.first(total);
    packet.more = {};
    return true;
  }
  size_t there = packet.whole.size();
  for (const Bytes& piece : packet.more) there += piece.size();
  // Padded frames are short ones, in one buffer.
  return there == total;
}

// RFC 8200 section 4. False: dropped.
bool NetworkLayer::skip_extensions(Packet& packet) {
  for (int i = 0; i <= kMostExtensions; ++i) {
    const uint8_t kind = packet.protocol;
    if (kind != kHopByHop && kind != kRouting && kind != kFragment && kind != kDestination) return true;
    const MutableBytes content = packet.content;
    if (i == kMostExtensions || content.size() < 8 || (kind == kHopByHop && i > 0)) break;
    size_t size = 8;
    if (kind == kFragment) {
      // One that is alone is a whole packet (RFC 6946).
      if ((load_be16(content.data() + 2) & 0xfff9) != 0) {
        drop(NetDrop::fragment);
        return false;
      }
    } else {
      size = (size_t{content[1]} + 1) * 8;
      if (kind == kRouting && content[3] != 0) {
        drop(NetDrop::source_route);
        return false;
      }
    }
    if (size > content.size()) break;
    packet.protocol = content[0];
    packet.content = content.subspan(size);
  }
  drop(NetDrop::extension);
  return false;
}

void NetworkLayer::take_packet(Packet& packet, uint64_t now) {
  // DAD's solicitations alone come from nobody.
  const bool asks_whether = packet.v6() && packet.from.is_unspecified() && packet.protocol == kProtocolIcmpv6;
  if ((!packet.from.is_unicast() && !asks_whether) || own(packet.from) != nullptr) {
    return drop(NetDrop::ip_address);
  }
  const bool group = packet.to.is_multicast();
  if (packet.protocol == kProtocolIcmpv6 && packet.v6() && packet.more.empty() &&
      (group || own(packet.to) != nullptr)) {
    return take_icmpv6(packet, now);
  }
  if (!is_own(packet.to)) return drop(NetDrop::not_ours);
  if (packet.protocol == kProtocolTcp) {
    // Whoever reaches us by a route we know how to answer: no question is needed where he just spoke to us.
    receiver_.on_segment({.from = packet.from,
                          .to = packet.to,
                          .tcp = packet.content,
                          .more = packet.more,
                          .checksum_good = packet.good},
                         now);
  } else if (!packet.more.empty()) {
    // Answers are for people's packets.
    drop(NetDrop::protocol);
  } else if (packet.protocol == kProtocolIcmp && !packet.v6()) {
    take_icmp(packet, now);
  } else {
    drop(NetDrop::protocol);
    if (packet.v6()) {
      const bool udp = packet.protocol == kProtocolUdp;
      return send_error(packet, udp ? 1 : 4, udp ? 4 : 1, udp ? 0 : kIpv6Header, now);
    }
    send_error(packet, 3, packet.protocol == kProtocolUdp ? 3 : 2, 0, now);
  }
}

}  // namespace sluice
