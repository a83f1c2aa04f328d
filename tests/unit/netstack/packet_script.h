// Scripts of segments against one TcpStack in simulated time: what a peer sends, what must come back.
//
// Numbers are relative: the peer's sequence numbers to its first one, ours to our first one. Fields that a row leaves
// out are filled in (incoming) or not looked at (outgoing).
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <optional>
#include <vector>

#include "dataplane/netstack/tcp_segment.h"
#include "dataplane/netstack/tcp_stack.h"
#include "dataplane/netstack/tcp_transport.h"

namespace sluice::test {

inline constexpr uint64_t kMs = 1000;  // microseconds
inline constexpr uint64_t kSecond = 1'000'000;

// The byte at a place of a stream: everybody can tell whether it is the right one.
inline uint8_t stream_byte(uint64_t at, uint8_t stream = 0) {
  return static_cast<uint8_t>((at * 0x9e3779b97f4a7c15u >> 56) ^ stream);
}

struct Row {
  std::optional<uint8_t> flags{};
  std::optional<uint32_t> seq{};
  std::optional<uint32_t> ack{};
  std::optional<uint16_t> win{};
  std::optional<size_t> len{};
  std::optional<uint16_t> mss{};
  std::optional<int> shift{};
  std::optional<bool> sack_ok{};
  std::optional<uint32_t> stamp{};
  std::optional<uint32_t> echo{};
  std::optional<std::vector<SackBlock>> sacks{};
};

struct Seen {
  TcpSegment segment;
  std::vector<uint8_t> payload;
  uint16_t cut = 0;
  uint64_t at_us = 0;
};

TcpSettings script_settings();

class PacketScript : public SegmentSink, public TcpAcceptor {
 public:
  static constexpr uint32_t kPeerFirst = 1000;

  explicit PacketScript(const TcpSettings& settings = script_settings(), uint32_t peer_first = kPeerFirst);
  ~PacketScript() override;

  // A segment of the peer, and the end of its burst.
  void in(const Row& row);
  // Without the end of the burst.
  void in_burst(const Row& row);
  void end_burst() { stack.end_burst(now_us * 1000); }
  // The next one of ours must look like this.
  Seen out(const Row& row);
  void nothing();
  // Time passes, timers fire.
  void pass(uint64_t us);
  // Whatever has been sent is not looked at.
  std::vector<Seen> drain();

  // The usual beginnings: we listen, or we connect. Windows as given; nothing is left to look at.
  void accept_connection(uint16_t window = 60000, bool sack = true, bool stamps = false, int shift = -1,
                         uint16_t mss = 1460);
  void connect();

  // So many bytes into the transport's ring, sent as windows allow.
  void write(size_t n);
  // So many bytes are there and are the right ones; they are released.
  void read(size_t n);
  IpEndpoints endpoints() const;
  uint32_t own(uint32_t relative) const { return own_first + relative; }
  SegmentNotice notice(SegmentNotice::Kind kind, uint32_t relative, size_t mtu = 0, bool refused = false) const;

  SendAnswer send(const SegmentOut& segment, uint64_t now_ns) override;
  PathFacts path(const IpAddress&, const IpAddress&) const override { return {mtu, most_payload}; }
  std::optional<IpAddress> source_for(const IpAddress&) const override { return local.address; }
  void accept(std::unique_ptr<TcpTransport> connection) override;

  IpEndpoint local, remote;
  uint64_t now_us = 1'000'000'000;
  size_t mtu = 1500;
  size_t most_payload = 0;
  bool has_room = true;
  bool holds_frames = false;  // as a device's queue does
  size_t holds_at_most = 0;   // nothing: any number
  std::vector<FrameOwner*> held;
  bool own_known = false;
  uint32_t own_first = 0;
  uint32_t peer_first;
  uint32_t peer_stamp = 100;
  uint32_t last_own_stamp = 0;
  uint32_t last_ack = 0;  // relative, for rows that leave it out
  std::deque<Seen> sent;
  size_t accepted = 0;
  size_t written = 0;
  size_t read_bytes = 0;
  bool stamps = false;
  TcpStack stack;
  std::unique_ptr<TcpTransport> transport;

 private:
  void deliver(const Row& row);
};

}  // namespace sluice::test
