// Routes, headers in front of what goes out, and the questions of a layer that has nothing to do.
#include "dataplane/netstack/network_layer.h"

#include "dataplane/netstack/headers.h"

namespace sluice {
namespace {

// Echo answers and error messages a second: enough for people and path MTU, too few to serve a flood.
constexpr uint64_t kEchoesASecond = 1000;
constexpr uint64_t kErrorsASecond = 100;
// IP's lengths have 16 bits, and a device that cuts reads them.
constexpr size_t kMostUncut = 65535 - kIpv6Header - 60;
// Answers to who asks for our Ethernet address.
constexpr uint64_t kArpAnswersASecond = 1000;
// RFC 5227 has 3 probes a second apart, RFC 4862 one: for addresses that a person gave to this one port, fewer and
// sooner; what is found out later is defended or given up all the same.
constexpr int kProbes = 2;
constexpr uint64_t kProbeApartNs = 250'000'000;
// After the probes the address is announced as often, so that caches of its last owner change.
constexpr int kAnnouncements = 2;
constexpr uint64_t kAnnounceApartNs = 1'000'000'000;

}  // namespace

std::optional<InterfaceAddress> InterfaceAddress::parse(const std::string& text) {
  const size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  InterfaceAddress out{*address, static_cast<unsigned>(address->size() * 8)};
  if (slash == std::string::npos) return out;
  const std::string bits = text.substr(slash + 1);
  if (bits.empty() || bits.size() > 3 || bits.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  const unsigned long prefix = std::stoul(bits);
  if (prefix > address->size() * 8) return std::nullopt;
  out.prefix = static_cast<unsigned>(prefix);
  return out;
}

std::string NetCounters::text() const {
  std::string out = "in " + std::to_string(frames_in.get()) + ", out " + std::to_string(frames_out.get());
  if (duplicates.get() > 0) out.append(", duplicate addresses ").append(std::to_string(duplicates.get()));
  const char* before = "; dropped: ";
  for (size_t i = 0; i < drops.size(); ++i) {
    if (drops[i].get() == 0) continue;
    out.append(before).append(kNetDropNames[i]).append(" ").append(std::to_string(drops[i].get()));
    before = ", ";
  }
  return out;
}

NetworkLayer::NetworkLayer(NetSettings settings, FrameSink& sink, SegmentReceiver& receiver)
    : settings_(std::move(settings)),
      sink_(sink),
      receiver_(receiver),
      echoes_(kEchoesASecond),
      errors_(kErrorsASecond),
      arp_answers_(kArpAnswersASecond) {
  for (const InterfaceAddress& address : settings_.addresses) {
    own_.push_back({address, settings_.ask_for_duplicates ? Standing::tried : Standing::good});
    if (!settings_.ask_for_duplicates) own_.back().asked = kProbes;
  }
}

NetworkLayer::Own* NetworkLayer::own(const IpAddress& address) {
  for (Own& each : own_) {
    if (each.at.address == address) return &each;
  }
  return nullptr;
}

bool NetworkLayer::is_own(const IpAddress& address) const {
  for (const Own& each : own_) {
    if (each.at.address == address) return each.standing == Standing::good;
  }
  return false;
}

bool NetworkLayer::settled() const {
  for (const Own& each : own_) {
    if (each.standing == Standing::tried) return false;
  }
  return true;
}

const IpAddress* NetworkLayer::next_hop(const IpAddress& remote) const {
  for (const Own& each : own_) {
    if (remote.in(each.at.address, each.at.prefix)) return &remote;
  }
  if (remote.is_link_local()) return &remote;
  const NetRoute* best = nullptr;
  for (const NetRoute& route : settings_.routes) {
    if (!remote.in(route.to.address, route.to.prefix)) continue;
    if (best == nullptr || route.to.prefix > best->to.prefix) best = &route;
  }
  return best != nullptr ? &best->gateway : nullptr;
}

PathFacts NetworkLayer::path(const IpAddress&, const IpAddress& to) const {
  if (next_hop(to) == nullptr) return {.mtu = 0};
  return {.mtu = settings_.mtu, .most_payload = kMostUncut};
}

std::optional<IpAddress> NetworkLayer::source_for(const IpAddress& remote) const {
  const IpAddress* hop = next_hop(remote);
  if (hop == nullptr) return std::nullopt;
  const Own* any = nullptr;
  for (const Own& each : own_) {
    if (each.standing != Standing::good || each.at.address.v6 != remote.v6) continue;
    if (hop->in(each.at.address, each.at.prefix)) return each.at.address;
    if (any == nullptr) any = &each;
  }
  return any != nullptr ? std::optional(any->at.address) : std::nullopt;
}

size_t NetworkLayer::put_headers(uint8_t* out, const MacAddress& station, const IpAddress& from, const IpAddress& to,
                                 uint8_t protocol, size_t length, uint8_t hop_limit) {
  std::copy(station.begin(), station.end(), out);
  std::copy(settings_.mac.begin(), settings_.mac.end(), out + 6);
  store_be16(out + 12, from.v6 ? kEtherIpv6 : kEtherIpv4);
  uint8_t* const ip = out + kEthernetHeader;
  if (from.v6) {
    store_be32(ip, uint32_t{6} << 28 | static_cast<uint32_t>(traffic_class_) << 20);
    store_be16(ip + 4, static_cast<uint16_t>(length));
    ip[6] = protocol;
    ip[7] = hop_limit;
    std::copy_n(from.bytes.begin(), 16, ip + 8);
    std::copy_n(to.bytes.begin(), 16, ip + 24);
    return kEthernetHeader + kIpv6Header;
  }
  ip[0] = 0x45;
  ip[1] = traffic_class_;
  // Of what a port still has to cut the port says the lengths.
  store_be16(ip + 2, static_cast<uint16_t>(std::min<size_t>(kIpv4Header + length, 0xffff)));
  store_be16(ip + 4, next_id_++);
  store_be16(ip + 6, 0x4000);
  ip[8] = hop_limit;
  ip[9] = protocol;
  store_be16(ip + 10, 0);
  std::copy_n(from.bytes.begin(), 4, ip + 12);
  std::copy_n(to.bytes.begin(), 4, ip + 16);
  store_be16(ip + 10, InetChecksum().add_header(ip, kIpv4Header / 4).value());
  return kEthernetHeader + kIpv4Header;
}

SendAnswer NetworkLayer::send(const SegmentOut& segment, uint64_t now) {
  const IpAddress* hop = next_hop(segment.to);
  if (hop == nullptr || segment.from.v6 != segment.to.v6) {
    drop(NetDrop::no_route);
    return SendAnswer::no_route;
  }
  std::array<uint8_t, kEthernetHeader + kIpv6Header + 60> header;
  const size_t length = segment.header.size() + segment.payload_size;
  const size_t transport_at =
      put_headers(header.data(), kBroadcastMac, segment.from, segment.to, kProtocolTcp, length, kHopLimit);
  std::copy(segment.header.begin(), segment.header.end(), header.begin() + static_cast<std::ptrdiff_t>(transport_at));
  const size_t size = transport_at + segment.header.size();
  InetChecksum pseudo;
  pseudo.add_pseudo_header(segment.from, segment.to, kProtocolTcp, segment.segment_size > 0 ? 0 : length);
  uint8_t* const field = header.data() + transport_at + 16;
  // What waits for the neighbour goes out as a whole frame of its own: without payload its sum is done here.
  store_be16(field, 0);
  const Bytes tcp(header.data() + transport_at, segment.header.size());
  const bool bare = segment.payload_size == 0;
  store_be16(field, bare ? InetChecksum(pseudo).add(tcp).value() : pseudo.folded());
  const auto answer = neighbours_.find(*hop, bare ? Bytes(header.data(), size) : Bytes(), now);
  if (answer.ask != NeighbourTable::Ask::nothing) {
    const std::optional<MacAddress> known = answer.mac ? std::optional(*answer.mac) : std::nullopt;
    ask(*hop, known ? &*known : nullptr);
  }
  if (answer.mac == nullptr) {
    drop(NetDrop::unresolved);
    return SendAnswer::waiting;
  }
  std::copy(answer.mac->begin(), answer.mac->end(), header.begin());
  OutFrame frame{.header = {header.data(), size}, .payload = segment.payload};
  frame.transport_at = static_cast<uint16_t>(transport_at);
  frame.v6 = segment.from.v6;
  frame.tcp = !bare;
  frame.segment_size = segment.segment_size;
  frame.owner = segment.owner;
  if (!sink_.send(frame)) {
    refused_ = true;
    drop(NetDrop::no_room);
    return SendAnswer::no_room;
  }
  counters_.frames_out.add();
  return SendAnswer::sent;
}

bool NetworkLayer::send_packet(const MacAddress& station, const IpAddress& from, const IpAddress& to, uint8_t protocol,
                               Bytes header, Bytes payload) {
  std::array<uint8_t, kEthernetHeader + kIpv6Header + 64> out;
  const uint8_t hop_limit = protocol == kProtocolIcmpv6 && header[0] >= 133 ? kNeighbourHopLimit : kHopLimit;
  const size_t at = put_headers(out.data(), station, from, to, protocol, header.size() + payload.size(), hop_limit);
  std::copy(header.begin(), header.end(), out.begin() + static_cast<std::ptrdiff_t>(at));
  OutFrame frame{.header = {out.data(), at + header.size()}, .payload = {&payload, payload.empty() ? 0u : 1u}};
  frame.transport_at = static_cast<uint16_t>(at);
  frame.v6 = from.v6;
  if (!sink_.send(frame)) {
    drop(NetDrop::no_room);
    return false;
  }
  counters_.frames_out.add();
  return true;
}

void NetworkLayer::ask(const IpAddress& neighbour, const MacAddress* known) {
  if (neighbour.v6) return send_solicitation(neighbour, known, false);
  const auto source = source_for(neighbour);
  if (!source) return;
  send_arp(1, known ? *known : kBroadcastMac, *source, MacAddress{}, neighbour);
}

void NetworkLayer::announce(const Own& own) {
  const IpAddress& address = own.at.address;
  if (!address.v6) return send_arp(1, kBroadcastMac, address, MacAddress{}, address);
  IpAddress all_nodes{{0xff, 0x02}, true};
  all_nodes.bytes[15] = 1;
  send_advertisement(address, all_nodes, {0x33, 0x33, 0, 0, 0, 1}, false);
}

void NetworkLayer::tick(uint64_t now) {
  neighbours_.tick(now, [&](const IpAddress& neighbour, const MacAddress* mac) { ask(neighbour, mac); });
  for (Own& each : own_) {
    if (each.standing == Standing::lost || each.asked >= kProbes + kAnnouncements || now < each.next_ns) continue;
    const bool v6 = each.at.address.v6;
    if (each.asked < kProbes) {
      if (v6) {
        send_solicitation(each.at.address, nullptr, true);
      } else {
        send_arp(1, kBroadcastMac, IpAddress{}, MacAddress{}, each.at.address);
      }
      each.next_ns = now + kProbeApartNs;
    } else {
      each.standing = Standing::good;
      if (settings_.answers) announce(each);
      each.next_ns = now + kAnnounceApartNs;
    }
    ++each.asked;
  }
}

void NetworkLayer::heard(const IpAddress& neighbour, const MacAddress& station, bool answer, bool may_add,
                         uint64_t now) {
  if (is_own(neighbour)) return;
  const MutableBytes waiting = neighbours_.heard(neighbour, station, answer, may_add, now);
  refused_ |= answer;
  if (waiting.empty()) return;
  std::copy(station.begin(), station.end(), waiting.begin());
  OutFrame frame{.header = waiting};
  if (sink_.send(frame)) counters_.frames_out.add();
}

// Once in a while it is defended; whoever wants it all the same has it until a person decides (RFC 5227 section 2.4).
void NetworkLayer::claimed_by_other(Own& own, uint64_t now) {
  constexpr uint64_t kDefendApartNs = 10'000'000'000;
  counters_.duplicates.add();
  if (own.standing == Standing::tried) {
    own.standing = Standing::lost;
  } else if (own.standing == Standing::good && (own.defended_ns == 0 || now - own.defended_ns >= kDefendApartNs)) {
    own.defended_ns = now;
    if (settings_.answers) announce(own);
  }
}

}  // namespace sluice
