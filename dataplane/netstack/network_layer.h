// NetworkLayer: everything between frames and TCP segments: Ethernet, ARP, IPv4, IPv6, NDP, ICMP. No I/O: frames come
// in by input(), go out through a FrameSink; time is what the caller says.
//
// Nothing that comes in makes it allocate, wait or send more than a bounded number of answers a second. Fragments are
// refused: TCP cuts its segments to the path, and whoever sends fragments of them hides something or is misconfigured.
#pragma once

#include <utility>
#include <vector>

#include "dataplane/netstack/inet_checksum.h"
#include "dataplane/netstack/neighbours.h"
#include "dataplane/netstack/network_counters.h"
#include "dataplane/netstack/segment_io.h"
#include "dataplane/netstack/token_bucket.h"

namespace sluice {

class NetworkLayer final : public SegmentSink {
 public:
  NetworkLayer(NetSettings settings, FrameSink& sink, SegmentReceiver& receiver);

  // The frame's memory is the receiver's during the call, and it may write there. What does not fit its first buffer
  // follows in `more`.
  void input(MutableBytes frame, std::span<const Bytes> more, FrameFacts facts, uint64_t now_ns);
  SendAnswer send(const SegmentOut& segment, uint64_t now_ns) override;
  PathFacts path(const IpAddress& from, const IpAddress& to) const override;
  // Questions that nobody answered, addresses that are being tried: every tenth of a second or so.
  void tick(uint64_t now_ns);

  // The address from which we would speak to it; nothing without a route.
  std::optional<IpAddress> source_for(const IpAddress& remote) const override;
  bool is_own(const IpAddress& address) const;
  // Every address is ours for sure, or lost to somebody else.
  bool settled() const;
  // IP header included.
  size_t mtu() const { return settings_.mtu; }
  // Whether a segment was refused since the last call, for want of room or of a neighbour that has answered by now.
  bool take_refused() { return std::exchange(refused_, false); }
  void set_traffic_class(uint8_t octet) { traffic_class_ = octet; }
  const NetSettings& settings() const { return settings_; }
  const NetCounters& counters() const { return counters_; }

 private:
  enum class Standing : uint8_t { tried, good, lost };
  struct Own {
    InterfaceAddress at;
    Standing standing = Standing::tried;
    int asked = 0;
    uint64_t next_ns = 0;
    uint64_t defended_ns = 0;
  };
  struct Packet {
    IpAddress from;
    IpAddress to;
    MutableBytes whole;    // from the IP header on, without padding
    MutableBytes content;  // behind all headers of IP
    std::span<const Bytes> more;
    MacAddress station;  // who sent the frame
    uint8_t protocol = 0;
    uint8_t hop_limit = 0;
    bool good = false;
    bool v6() const { return from.v6; }
  };

  void drop(NetDrop why) { counters_.drop(why); }
  Own* own(const IpAddress& address);
  const IpAddress* next_hop(const IpAddress& remote) const;

  void take_ipv4(Packet& packet, uint64_t now);
  void take_ipv6(Packet& packet, uint64_t now);
  static bool fit(Packet& packet, size_t total);
  bool skip_extensions(Packet& packet);
  void take_packet(Packet& packet, uint64_t now);
  void take_notice(const Packet& packet, const SegmentNotice& about, Bytes quoted, uint64_t now);

  void take_arp(Bytes packet, uint64_t now);
  void send_arp(uint16_t operation, const MacAddress& station, const IpAddress& from, const MacAddress& asked,
                const IpAddress& about);
  void claimed_by_other(Own& own, uint64_t now);
  void ask(const IpAddress& neighbour, const MacAddress* known);
  void announce(const Own& own);
  void heard(const IpAddress& neighbour, const MacAddress& station, bool answer, bool may_add, uint64_t now);

  void take_icmp(Packet& packet, uint64_t now);
  void take_icmpv6(Packet& packet, uint64_t now);
  void take_solicitation(const Packet& packet, uint64_t now);
  void take_advertisement(const Packet& packet, uint64_t now);
  void send_solicitation(const IpAddress& about, const MacAddress* station, bool tried);
  void send_advertisement(const IpAddress& about, const IpAddress& to, const MacAddress& station, bool solicited);
  void send_neighbour_message(Bytes message, const IpAddress& from, const IpAddress& to, const MacAddress& station);
  void echo(Packet& packet, uint64_t now);
  void send_error(const Packet& about, uint8_t type, uint8_t code, uint32_t rest, uint64_t now);
  bool send_packet(const MacAddress& station, const IpAddress& from, const IpAddress& to, uint8_t protocol,
                   Bytes header, Bytes payload);
  // Ethernet and IP in front of so many bytes; returns the headers' size.
  size_t put_headers(uint8_t* out, const MacAddress& station, const IpAddress& from, const IpAddress& to,
                     uint8_t protocol, size_t length, uint8_t hop_limit);

  NetSettings settings_;
  FrameSink& sink_;
  SegmentReceiver& receiver_;
  std::vector<Own> own_;
  NeighbourTable neighbours_;
  NetCounters counters_;
  TokenBucket echoes_;
  TokenBucket errors_;
  TokenBucket arp_answers_;
  uint16_t next_id_ = 1;
  uint8_t traffic_class_ = 0;
  bool refused_ = false;
};

}  // namespace sluice
