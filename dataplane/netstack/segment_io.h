// What TCP and the IP layer below it say to each other: segments in, notices in, segments out.
//
// What is sent for the first time has an `owner`, who is told once for each send() that answered sent: during the call
// where it is copied, else soon after the frame left, in the order of the calls, also when the port is idle: until then
// its memory stays as it is. What is sent again may be acknowledged while it waits in a queue: it has no owner and is
// copied.
#pragma once

#include <optional>
#include <span>

#include "dataplane/netstack/frame_sink.h"
#include "dataplane/netstack/ip_address.h"

namespace sluice {

struct SegmentIn {
  IpAddress from;
  IpAddress to;
  MutableBytes tcp;  // header and payload; more payload follows in `more`
  std::span<const Bytes> more = {};
  bool checksum_good = false;  // known to be right; otherwise the receiver looks
};

// An ICMP message about a segment that was, by its word, ours. Whether it was is for TCP to judge (RFC 5927).
struct SegmentNotice {
  enum class Kind : uint8_t { too_big, unreachable };
  Kind kind = Kind::unreachable;
  IpAddress from;  // of the segment: ours
  IpAddress to;
  uint16_t from_port = 0;
  uint16_t to_port = 0;
  uint32_t sequence = 0;
  size_t mtu = 0;        // of too_big: IP header included
  bool refused = false;  // port or protocol unreachable: the host itself says so
};

class SegmentReceiver {
 public:
  virtual ~SegmentReceiver() = default;
  virtual void on_segment(const SegmentIn& segment, uint64_t now_ns) = 0;
  virtual void on_notice(const SegmentNotice& notice, uint64_t now_ns) = 0;
};

struct SegmentOut {
  const IpAddress& from;
  const IpAddress& to;
  MutableBytes header;  // TCP's, with its options; the checksum field is filled in below
  std::span<const Bytes> payload = {};
  size_t payload_size = 0;
  // Payload of each segment on the wire, where this is to be cut (TSO or in software): sequence numbers go on from
  // the header's, FIN and PSH belong to the last. 0: it is one.
  uint16_t segment_size = 0;
  // Null: the payload is copied during send().
  FrameOwner* owner = nullptr;
};

// waiting: lost, or copied and kept, until the neighbour answers; no owner is told. no_room: not taken, ask again
// later.
enum class SendAnswer : uint8_t { sent, no_room, waiting, no_route };

struct PathFacts {
  size_t mtu = 1500;  // IP header included, as far as the route knows; 0: there is no route
  // Payload of one send() that is cut below. Not above mtu: nothing is cut.
  size_t most_payload = 0;
};

class SegmentSink {
 public:
  virtual ~SegmentSink() = default;
  virtual SendAnswer send(const SegmentOut& segment, uint64_t now_ns) = 0;
  virtual PathFacts path(const IpAddress& from, const IpAddress& to) const = 0;
  // The address from which we would speak to it; nothing without a route.
  virtual std::optional<IpAddress> source_for(const IpAddress& remote) const = 0;
};

}  // namespace sluice
