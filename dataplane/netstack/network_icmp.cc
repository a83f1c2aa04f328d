// ICMP of both families: echo, errors about our segments, errors about what nobody here wants.
#include "dataplane/netstack/headers.h"
#include "dataplane/netstack/network_layer.h"

namespace sluice {
namespace {

// Ports and a sequence number.
constexpr size_t kLeastQuoted = 8;
// RFC 1812 section 4.3.2.3 and RFC 4443 section 3: an error may quote as much as fits the least MTU.
constexpr size_t kMostErrorV4 = 576;
constexpr size_t kMostErrorV6 = 1280;
// Below these no path is; whoever says so lies (RFC 791, RFC 8200).
constexpr size_t kLeastMtuV4 = 576;
constexpr size_t kLeastMtuV6 = 1280;

}  // namespace

void NetworkLayer::take_icmp(Packet& packet, uint64_t now) {
  const MutableBytes message = packet.content;
  if (message.size() < kIcmpHeader || InetChecksum().add(message).value() != 0) return drop(NetDrop::icmp);
  const uint8_t type = message[0], code = message[1];
  if (type == 8 && code == 0) return echo(packet, now);
  if (type != 3) return;
  const Bytes quoted = message.subspan(kIcmpHeader);
  if (quoted.size() < kIpv4Header || quoted[0] >> 4 != 4) return drop(NetDrop::icmp);
  const size_t header = size_t{quoted[0] & 0xfu} * 4;
  if (header < kIpv4Header || header + kLeastQuoted > quoted.size() || quoted[9] != kProtocolTcp) {
    return drop(NetDrop::icmp);
  }
  SegmentNotice notice;
  notice.from = IpAddress::of_v4(quoted.data() + 12);
  notice.to = IpAddress::of_v4(quoted.data() + 16);
  notice.refused = code == 2 || code == 3;
  if (code == 4) {
    notice.kind = SegmentNotice::Kind::too_big;
    notice.mtu = load_be16(message.data() + 6);
    // Routers before RFC 1191 say 0: the least that every path carries.
    if (notice.mtu < kLeastMtuV4) notice.mtu = kLeastMtuV4;
  }
  take_notice(packet, notice, quoted.subspan(header), now);
}

void NetworkLayer::take_icmpv6(Packet& packet, uint64_t now) {
  const MutableBytes message = packet.content;
  if (message.size() < kIcmpHeader ||
      InetChecksum().add_pseudo_header(packet.from, packet.to, kProtocolIcmpv6, message.size()).add(message).value() !=
          0) {
    return drop(NetDrop::icmp);
  }
  switch (message[0]) {
    case 135: return take_solicitation(packet, now);
    case 136: return take_advertisement(packet, now);
    case 128:
      if (is_own(packet.to) && !packet.from.is_unspecified()) echo(packet, now);
      return;
    case 1:
    case 2: break;
    default: return;
  }
  const Bytes quoted = message.subspan(kIcmpHeader);
  // Extension headers of ours there are none.
  if (!is_own(packet.to) || quoted.size() < kIpv6Header + kLeastQuoted || quoted[0] >> 4 != 6 ||
      quoted[6] != kProtocolTcp) {
    return drop(NetDrop::icmp);
  }
  SegmentNotice notice;
  notice.from = IpAddress::of_v6(quoted.data() + 8);
  notice.to = IpAddress::of_v6(quoted.data() + 24);
  notice.refused = message[0] == 1 && message[1] == 4;
  if (message[0] == 2) {
    notice.kind = SegmentNotice::Kind::too_big;
    notice.mtu = std::max<size_t>(load_be32(message.data() + 4), kLeastMtuV6);
  }
  take_notice(packet, notice, quoted.subspan(kIpv6Header), now);
}

void NetworkLayer::take_notice(const Packet& packet, const SegmentNotice& about, Bytes quoted, uint64_t now) {
  SegmentNotice notice = about;
  // What we sent came from the address that is told of it; a link that is larger than ours tells nothing.
  if (notice.from != packet.to || (notice.kind == SegmentNotice::Kind::too_big && notice.mtu >= settings_.mtu)) {
    return drop(NetDrop::icmp);
  }
  notice.from_port = load_be16(quoted.data());
  notice.to_port = load_be16(quoted.data() + 2);
  notice.sequence = load_be32(quoted.data() + 4);
  receiver_.on_notice(notice, now);
}

void NetworkLayer::echo(Packet& packet, uint64_t now) {
  if (!settings_.answers) return;
  if (!echoes_.take(now)) return drop(NetDrop::rate);
  // Back by the way it came; larger than our frames it cannot have come.
  std::array<uint8_t, kIcmpHeader> header;
  std::copy_n(packet.content.begin(), kIcmpHeader, header.begin());
  header[0] = packet.v6() ? 129 : 0;
  store_be16(header.data() + 2, 0);
  const Bytes rest = packet.content.subspan(kIcmpHeader);
  InetChecksum sum;
  if (packet.v6()) sum.add_pseudo_header(packet.to, packet.from, kProtocolIcmpv6, packet.content.size());
  store_be16(header.data() + 2, sum.add(header).add(rest).value());
  if (send_packet(packet.station, packet.to, packet.from, packet.v6() ? kProtocolIcmpv6 : kProtocolIcmp, header,
                  rest)) {
    counters_.echoes.add();
  }
}

// Never about a group's packet or another error: those of protocols that are none of ours remain (RFC 1122 3.2.2).
void NetworkLayer::send_error(const Packet& about, uint8_t type, uint8_t code, uint32_t rest, uint64_t now) {
  if ((about.station[0] & 1) != 0) return;
  if (!errors_.take(now)) return drop(NetDrop::rate);
  std::array<uint8_t, kIcmpHeader> header{type, code};
  store_be32(header.data() + 4, rest);
  const size_t most = about.v6() ? kMostErrorV6 - kIpv6Header - kIcmpHeader : kMostErrorV4 - kIpv4Header - kIcmpHeader;
  const Bytes quoted = about.whole.first(std::min(about.whole.size(), most));
  InetChecksum sum;
  if (about.v6()) sum.add_pseudo_header(about.to, about.from, kProtocolIcmpv6, header.size() + quoted.size());
  store_be16(header.data() + 2, sum.add(header).add(quoted).value());
  if (send_packet(about.station, about.to, about.from, about.v6() ? kProtocolIcmpv6 : kProtocolIcmp, header, quoted)) {
    counters_.errors_sent.add();
  }
}

}  // namespace sluice
