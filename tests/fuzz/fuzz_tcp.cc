// Fuzzes TCP: header and options of segments, and a stack that hears hostile segments of a connection's own numbers.
#include <array>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

#include "base/check.h"
#include "dataplane/netstack/tcp_segment.h"
#include "dataplane/netstack/tcp_stack.h"
#include "dataplane/netstack/tcp_transport.h"

namespace sluice {
namespace {

// Hears what the stack says, so that the fuzzer's numbers can be near the right ones.
struct Peer : SegmentSink, TcpAcceptor {
  SendAnswer send(const SegmentOut& out, uint64_t) override {
    const auto segment = TcpSegment::parse(out.header);
    SLUICE_CHECK(segment.has_value());
    size_t size = 0;
    for (const Bytes piece : out.payload) size += piece.size();
    SLUICE_CHECK(size == out.payload_size && size <= 65535);
    SLUICE_CHECK(out.segment_size != 0 || size + out.header.size() <= 1480);
    own = segment->sequence + static_cast<uint32_t>(size) + (segment->has(kSyn) ? 1 : 0);
    if (segment->has(kAck)) wanted = segment->acknowledgment;
    if (out.owner == nullptr) return SendAnswer::sent;
    held.push_back(out.owner);
    if (!holds || held.size() > 64) let_go();
    return SendAnswer::sent;
  }
  // As a device's queue that makes room, in the middle of a send too.
  void let_go() {
    for (FrameOwner* owner : std::exchange(held, {})) owner->frame_left();
  }
  PathFacts path(const IpAddress&, const IpAddress&) const override { return {1500, 32000}; }
  std::optional<IpAddress> source_for(const IpAddress&) const override { return std::nullopt; }
  void accept(std::unique_ptr<TcpTransport> connection) override { transport = std::move(connection); }

  std::unique_ptr<TcpTransport> transport;
  std::vector<FrameOwner*> held;
  bool holds = false;
  uint32_t own = 0;
  uint32_t wanted = 1;
};

class Run {
 public:
  explicit Run(bool paced) : stack_(settings(paced), peer_, 1'000'000'000) {
    const std::array<uint8_t, 4> ours{192, 0, 2, 1};
    const std::array<uint8_t, 4> theirs{192, 0, 2, 2};
    local_ = IpAddress::of_v4(ours.data());
    remote_ = IpAddress::of_v4(theirs.data());
    stack_.listen({local_, 22}, peer_);
  }
  // A transport outlives no stack.
  ~Run() {
    peer_.transport.reset();
    peer_.let_go();
  }

  // One step: kind, flags, two small offsets, window, a length, option bytes.
  bool step(Bytes& from) {
    if (from.size() < 10) return false;
    const uint8_t* p = from.data();
    const uint8_t kind = p[0];
    peer_.holds = (kind & 0x20) != 0;
    if (!peer_.holds) peer_.let_go();
    const size_t options = std::min<size_t>(p[9] % 41 / 4 * 4, (from.size() - 10) / 4 * 4);
    switch (kind % 8) {
      case 5: owner(p); break;
      case 6: now_ += uint64_t{p[1]} * p[2] * 100'000; break;
      case 7: notice(p); break;
      default: segment(p, from.subspan(10, options));
    }
    stack_.end_burst(now_);
    if ((kind & 0x80) != 0) {
      stack_.advance(now_);
      SLUICE_CHECK(stack_.next_deadline() > now_);
    }
    from = from.subspan(kind % 8 < 5 ? 10 + options : 10);
    return true;
  }

 private:
  static TcpSettings settings(bool paced) {
    TcpSettings out;
    out.paced_from_us = paced ? 0 : UINT64_MAX;
    out.send_bytes = out.receive_bytes = 65536;
    out.most_receive_bytes = 262144;
    out.most_connections = 4;
    out.syn_backlog = 2;
    out.most_time_waits = 2;
    return out;
  }
  void segment(const uint8_t* p, Bytes options) {
    std::array<uint8_t, 60 + 2048> bytes{};
    TcpSegment head;
    head.from_port = static_cast<uint16_t>(1 + p[0] / 64);
    head.to_port = 22;
    head.flags = p[1] & 0x3f;
    head.sequence = peer_.wanted + static_cast<uint32_t>(static_cast<int8_t>(p[2]) * (p[3] & 1 ? 1000 : 1));
    head.acknowledgment = peer_.own + static_cast<uint32_t>(static_cast<int8_t>(p[4]) * (p[3] & 2 ? 1000 : 1));
    if ((p[3] & 0x80) != 0) head.sequence ^= uint32_t{p[2]} << 24;
    head.window = static_cast<uint16_t>(p[5] << 8 | p[6]);
    head.write_header(bytes);
    bytes[12] = static_cast<uint8_t>((20 + options.size()) / 4 << 4);
    if ((p[3] & 0x40) != 0) bytes[12] = p[8];
    std::copy(options.begin(), options.end(), bytes.begin() + 20);
    const size_t size = 20 + options.size() + size_t{p[7]} * 8 % 1500;
    // In memory of its own size, so that a look beyond it is seen.
    const std::unique_ptr<uint8_t[]> exact(new uint8_t[size]);
    std::copy(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size), exact.get());
    stack_.on_segment({remote_, local_, {exact.get(), size}, {}, true}, now_);
  }
  void owner(const uint8_t* p) {
    if (!peer_.transport) return;
    if (p[1] == 0) return peer_.transport.reset();
    if (p[1] == 1) return peer_.transport->close_sending();
    if (p[1] == 2) return peer_.transport->abort();
    const size_t n = size_t{p[2]} * 16 + 1;
    if (uint8_t* place = peer_.transport->send_ring().reserve(n)) {
      SLUICE_CHECK(peer_.transport->send_ring().commit(n, place, n));
    }
    peer_.transport->flush();
    peer_.transport->release(std::min<size_t>(peer_.transport->available(), size_t{p[3]} * 16));
  }
  void notice(const uint8_t* p) {
    SegmentNotice notice{p[1] & 1 ? SegmentNotice::Kind::too_big : SegmentNotice::Kind::unreachable,
                         local_,
                         remote_,
                         22,
                         static_cast<uint16_t>(1 + p[0] / 64),
                         peer_.own - p[2],
                         size_t{p[3]} << 4,
                         (p[1] & 2) != 0};
    stack_.on_notice(notice, now_);
  }

  Peer peer_;
  TcpStack stack_;
  IpAddress local_;
  IpAddress remote_;
  uint64_t now_ = 1'000'000'000;
};

}  // namespace
}  // namespace sluice

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice;
  Bytes rest(data, size);
  if (const auto segment = TcpSegment::parse(rest)) {
    SLUICE_CHECK(segment->payload_size <= size && segment->sack_count <= kMostSackBlocks);
    SLUICE_CHECK(segment->window_shift <= 14);
  }
  Run run(size % 2 == 0);
  for (int steps = 0; steps < 2000 && run.step(rest); ++steps) {}
  return 0;
}
