// Two stacks and a path between them, in simulated time: delay, rate, a queue that fills, loss, reordering, duplication
// and corruption, all by a seed. Everything that goes over it is also a stream whose bytes both ends know.
#pragma once

#include <deque>
#include <queue>
#include <vector>

#include "base/random.h"
#include "dataplane/netstack/tcp_stack.h"
#include "dataplane/netstack/tcp_transport.h"

namespace sluice::test {

struct LinkPath {
  uint64_t delay_us = 0;           // one way
  uint64_t rate = 0;               // bytes a second, 0: whatever comes
  size_t queue = size_t{1} << 20;  // bytes that wait for the rate; more are dropped
  double loss = 0;
  double reorder = 0;  // so many come later, by up to reorder_us
  uint64_t reorder_us = 1000;
  double duplicate = 0;
  double corrupt = 0;
  size_t mtu = 1500;
  size_t black_hole = 0;    // larger IP packets vanish; 0: none do
  bool announce = false;    // or the sender is told
  size_t most_payload = 0;  // of one send that the path cuts
};

class SimulatedLink {
 public:
  SimulatedLink(const LinkPath& path, uint64_t seed, const TcpSettings& settings);
  ~SimulatedLink();

  class End : public SegmentSink, public TcpAcceptor, public SegmentReceiver {
   public:
    End(SimulatedLink& link, const TcpSettings& settings, uint8_t number);
    SendAnswer send(const SegmentOut& segment, uint64_t now_ns) override;
    PathFacts path(const IpAddress&, const IpAddress&) const override;
    std::optional<IpAddress> source_for(const IpAddress&) const override { return address; }
    void accept(std::unique_ptr<TcpTransport> connection) override { accepted.push_back(std::move(connection)); }
    void on_segment(const SegmentIn& segment, uint64_t now_ns) override { stack->on_segment(segment, now_ns); }
    void on_notice(const SegmentNotice& notice, uint64_t now_ns) override { stack->on_notice(notice, now_ns); }

    SimulatedLink& link;
    IpAddress address;
    std::unique_ptr<TcpStack> stack;
    std::vector<std::unique_ptr<TcpTransport>> accepted;
    uint64_t free_at_us = 0;  // when the rate lets the next packet in
  };

  // Until everything that is on the way or due within so long has happened, or `step` says that it is done.
  template <class Step>
  bool run(uint64_t most_us, Step step) {
    const uint64_t end = now_us + most_us;
    while (now_us <= end) {
      if (step()) return true;
      if (!advance(end)) return step();
    }
    return false;
  }

  End& a() { return *ends_[0]; }
  End& b() { return *ends_[1]; }
  uint64_t now_us = 1'000'000'000;
  uint64_t delivered = 0;
  uint64_t dropped = 0;

 private:
  struct Packet {
    uint64_t at_us;
    uint64_t order;
    End* to;
    bool good;
    IpAddress from;
    std::vector<uint8_t> bytes;
    bool operator<(const Packet& other) const {
      return at_us != other.at_us ? at_us > other.at_us : order > other.order;
    }
  };

  bool advance(uint64_t end);
  void enter(End& from, std::vector<uint8_t> bytes);
  void carry(End& from, const SegmentOut& segment);
  double draw() { return static_cast<double>(random_.next() >> 11) * 0x1.0p-53; }

  LinkPath path_;
  CheapRandom random_;
  struct Told {
    uint64_t at_us;
    End* to;
    SegmentNotice notice;
  };
  std::priority_queue<Packet> packets_;
  std::deque<Told> told_;
  uint64_t order_ = 0;
  std::unique_ptr<End> ends_[2];
};

// A stream from one transport to another, checked byte by byte.
class CheckedStream {
 public:
  CheckedStream(TcpTransport& from, TcpTransport& to, size_t total, uint64_t seed);
  // Writes and reads what is possible; `lazy` leaves some of it for later, by chance.
  void step(CheapRandom* lazy = nullptr);
  bool done() const { return received_ == total_; }
  bool right() const { return right_; }
  size_t received() const { return received_; }

 private:
  TcpTransport& from_;
  TcpTransport& to_;
  size_t total_;
  uint64_t seed_;
  size_t written_ = 0;
  size_t received_ = 0;
  bool right_ = true;
};

}  // namespace sluice::test
