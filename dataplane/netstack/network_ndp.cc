// Neighbour discovery of IPv6: RFC 4861's solicitations and advertisements, RFC 4862's question for duplicates.
//
// Routers' advertisements are not listened to: routes are the configuration's.
#include "dataplane/netstack/headers.h"
#include "dataplane/netstack/network_layer.h"

namespace sluice {
namespace {

constexpr uint8_t kSolicitation = 135, kAdvertisement = 136;
constexpr uint8_t kSourceStation = 1, kTargetStation = 2;
constexpr size_t kMessage = 24;  // type to target
constexpr size_t kStationOption = 8;

// The group in which whoever has the address listens.
IpAddress solicited_node(const IpAddress& address) {
  IpAddress out{{0xff, 0x02}, true};
  out.bytes[11] = 1;
  out.bytes[12] = 0xff;
  std::copy_n(address.bytes.begin() + 13, 3, out.bytes.begin() + 13);
  return out;
}

MacAddress group_station(const IpAddress& group) {
  return {0x33, 0x33, group.bytes[12], group.bytes[13], group.bytes[14], group.bytes[15]};
}

// Nothing: there is none. False in `whole`: the options are malformed.
std::optional<MacAddress> station_option(Bytes options, uint8_t kind, bool& whole) {
  std::optional<MacAddress> out;
  whole = true;
  while (!options.empty()) {
    const size_t size = options.size() < 2 ? 0 : size_t{options[1]} * 8;
    if (size == 0 || size > options.size()) {
      whole = false;
      return std::nullopt;
    }
    if (options[0] == kind && size == kStationOption) {
      out.emplace();
      std::copy_n(options.begin() + 2, 6, out->begin());
    }
    options = options.subspan(size);
  }
  return out;
}

}  // namespace

void NetworkLayer::take_solicitation(const Packet& packet, uint64_t now) {
  const Bytes message = packet.content;
  if (packet.hop_limit != kNeighbourHopLimit || message.size() < kMessage || message[1] != 0) {
    return drop(NetDrop::neighbour);
  }
  bool whole = false;
  const auto station = station_option(message.subspan(kMessage), kSourceStation, whole);
  const IpAddress about = IpAddress::of_v6(message.data() + 8);
  const bool tried = packet.from.is_unspecified();
  if (!whole || about.is_multicast() || (tried && (station || packet.to != solicited_node(about)))) {
    return drop(NetDrop::neighbour);
  }
  Own* const asked = own(about);
  if (asked == nullptr || packet.station == settings_.mac) return;
  if (asked->standing == Standing::tried) {
    if (tried) claimed_by_other(*asked, now);
    return;
  }
  if (asked->standing != Standing::good) return;
  if (settings_.answers && !arp_answers_.take(now)) return drop(NetDrop::rate);
  if (tried) {
    if (!settings_.answers) return;
    IpAddress all_nodes{{0xff, 0x02}, true};
    all_nodes.bytes[15] = 1;
    return send_advertisement(about, all_nodes, group_station(all_nodes), false);
  }
  const IpAddress* hop = next_hop(packet.from);
  if (hop == nullptr || *hop != packet.from) return drop(NetDrop::neighbour);
  if (station) heard(packet.from, *station, false, true, now);
  if (settings_.answers) send_advertisement(about, packet.from, station.value_or(packet.station), true);
}

void NetworkLayer::take_advertisement(const Packet& packet, uint64_t now) {
  const Bytes message = packet.content;
  if (packet.hop_limit != kNeighbourHopLimit || message.size() < kMessage || message[1] != 0) {
    return drop(NetDrop::neighbour);
  }
  const bool solicited = (message[4] & 0x40) != 0;
  bool whole = false;
  const auto station = station_option(message.subspan(kMessage), kTargetStation, whole);
  const IpAddress about = IpAddress::of_v6(message.data() + 8);
  if (!whole || about.is_multicast() || (solicited && packet.to.is_multicast())) return drop(NetDrop::neighbour);
  if (Own* claimed = own(about)) {
    if (packet.station != settings_.mac) claimed_by_other(*claimed, now);
    return;
  }
  heard(about, station.value_or(packet.station), solicited, false, now);
}

void NetworkLayer::send_solicitation(const IpAddress& about, const MacAddress* station, bool tried) {
  std::array<uint8_t, kMessage + kStationOption> message{};
  message[0] = kSolicitation;
  std::copy_n(about.bytes.begin(), 16, message.begin() + 8);
  const IpAddress group = solicited_node(about);
  if (tried) {
    IpAddress nobody;
    nobody.v6 = true;
    return send_neighbour_message(Bytes(message).first(kMessage), nobody, group, group_station(group));
  }
  const auto source = source_for(about);
  if (!source) return;
  message[kMessage] = kSourceStation;
  message[kMessage + 1] = 1;
  std::copy(settings_.mac.begin(), settings_.mac.end(), message.begin() + kMessage + 2);
  if (station != nullptr) return send_neighbour_message(message, *source, about, *station);
  send_neighbour_message(message, *source, group, group_station(group));
}

void NetworkLayer::send_advertisement(const IpAddress& about, const IpAddress& to, const MacAddress& station,
                                      bool solicited) {
  std::array<uint8_t, kMessage + kStationOption> message{};
  message[0] = kAdvertisement;
  message[4] = solicited ? 0x60 : 0x20;
  std::copy_n(about.bytes.begin(), 16, message.begin() + 8);
  message[kMessage] = kTargetStation;
  message[kMessage + 1] = 1;
  std::copy(settings_.mac.begin(), settings_.mac.end(), message.begin() + kMessage + 2);
  send_neighbour_message(message, about, to, station);
}

void NetworkLayer::send_neighbour_message(Bytes message, const IpAddress& from, const IpAddress& to,
                                          const MacAddress& station) {
  std::array<uint8_t, kMessage + kStationOption> out{};
  std::copy(message.begin(), message.end(), out.begin());
  const Bytes whole(out.data(), message.size());
  store_be16(out.data() + 2,
             InetChecksum().add_pseudo_header(from, to, kProtocolIcmpv6, whole.size()).add(whole).value());
  send_packet(station, from, to, kProtocolIcmpv6, whole, {});
}

}  // namespace sluice
