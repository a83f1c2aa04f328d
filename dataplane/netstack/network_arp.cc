// ARP: RFC 826, with RFC 5227's questions and defence.
#include "dataplane/netstack/headers.h"
#include "dataplane/netstack/network_layer.h"

namespace sluice {

void NetworkLayer::take_arp(Bytes packet, uint64_t now) {
  if (packet.size() < kArpPacket) return drop(NetDrop::short_frame);
  // Ethernet and IPv4, with their sizes.
  if (load_be16(packet.data()) != 1 || load_be16(packet.data() + 2) != kEtherIpv4 || packet[4] != 6 || packet[5] != 4) {
    return drop(NetDrop::arp);
  }
  const uint16_t operation = load_be16(packet.data() + 6);
  MacAddress station;
  std::copy_n(packet.begin() + 8, 6, station.begin());
  const IpAddress from = IpAddress::of_v4(packet.data() + 14);
  const IpAddress about = IpAddress::of_v4(packet.data() + 24);
  if ((operation != 1 && operation != 2) || (station[0] & 1) != 0) return drop(NetDrop::arp);
  Own* const asked = own(about);
  // Our own frames may come back to us.
  if (station == settings_.mac) return;
  if (Own* claimed = own(from)) return claimed_by_other(*claimed, now);
  if (from.is_unspecified()) {
    // Somebody tries an address: whoever has it says so; whoever tries it too lets go.
    if (operation != 1 || asked == nullptr) return;
    if (asked->standing == Standing::tried) return claimed_by_other(*asked, now);
  } else {
    // Nobody beyond the link is a neighbour.
    const IpAddress* hop = next_hop(from);
    if (hop == nullptr || *hop != from || !from.is_unicast()) return drop(NetDrop::arp);
    const bool for_us = asked != nullptr && asked->standing == Standing::good;
    heard(from, station, operation == 2 && for_us, operation == 1 && for_us, now);
  }
  if (operation != 1 || asked == nullptr || asked->standing != Standing::good || !settings_.answers) return;
  if (!arp_answers_.take(now)) return drop(NetDrop::rate);
  send_arp(2, station, about, station, from);
}

void NetworkLayer::send_arp(uint16_t operation, const MacAddress& station, const IpAddress& from,
                            const MacAddress& asked, const IpAddress& about) {
  std::array<uint8_t, kEthernetHeader + kArpPacket> out{};
  std::copy(station.begin(), station.end(), out.begin());
  std::copy(settings_.mac.begin(), settings_.mac.end(), out.begin() + 6);
  store_be16(out.data() + 12, kEtherArp);
  uint8_t* const arp = out.data() + kEthernetHeader;
  store_be16(arp, 1);
  store_be16(arp + 2, kEtherIpv4);
  arp[4] = 6;
  arp[5] = 4;
  store_be16(arp + 6, operation);
  std::copy(settings_.mac.begin(), settings_.mac.end(), arp + 8);
  std::copy_n(from.bytes.begin(), 4, arp + 14);
  std::copy(asked.begin(), asked.end(), arp + 18);
  std::copy_n(about.bytes.begin(), 4, arp + 24);
  if (sink_.send({.header = out})) counters_.frames_out.add();
}

}  // namespace sluice
