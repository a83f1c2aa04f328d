// The TCP of dataplane/netstack alone: one connection, two stacks on one core, packets handed over in memory.
//
//   netstack_bench [SECONDS]
//
// Each segment is copied once into a packet, as a port without scatter would, and once into the receiver's ring. No
// Ethernet, no IP, no device: what TCP itself costs. Times are taken around each side's calls, so that a side's figure
// is what a core would do that has nothing else to do.
#include <x86intrin.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "dataplane/netstack/tcp_stack.h"
#include "dataplane/netstack/tcp_transport.h"

using namespace sluice;

namespace {

struct Packet {
  IpAddress from, to;
  size_t size = 0;
  std::vector<uint8_t> bytes;
};

// One direction: a ring of packets, as a device's queue.
class Wire {
 public:
  explicit Wire(size_t bytes) : packets_(512) {
    for (Packet& packet : packets_) packet.bytes.resize(bytes);
  }
  Packet* free() { return end_ - first_ == packets_.size() ? nullptr : &packets_[end_ % packets_.size()]; }
  void put() { ++end_; }
  size_t waiting() const { return end_ - first_; }
  Packet& front() { return packets_[first_ % packets_.size()]; }
  void pop() { ++first_; }

 private:
  std::vector<Packet> packets_;
  size_t first_ = 0;
  size_t end_ = 0;
};

class End : public SegmentSink, public TcpAcceptor {
 public:
  End(uint8_t number, size_t mtu, size_t most_payload, const TcpSettings& settings)
      : wire(60 + std::max(most_payload, mtu)), mtu_(mtu), most_payload_(most_payload) {
    const uint8_t bytes[4] = {192, 0, 2, number};
    address = IpAddress::of_v4(bytes);
    stack = std::make_unique<TcpStack>(settings, *this, monotonic_clock().now_ns());
  }
  SendAnswer send(const SegmentOut& out, uint64_t) override {
    Packet* packet = wire.free();
    if (packet == nullptr) return SendAnswer::no_room;
    packet->from = out.from;
    packet->to = out.to;
    std::memcpy(packet->bytes.data(), out.header.data(), out.header.size());
    uint8_t* at = packet->bytes.data() + out.header.size();
    for (const Bytes piece : out.payload) {
      std::memcpy(at, piece.data(), piece.size());
      at += piece.size();
    }
    packet->size = static_cast<size_t>(at - packet->bytes.data());
    wire.put();
    if (out.owner != nullptr) out.owner->frame_left();
    return SendAnswer::sent;
  }
  PathFacts path(const IpAddress&, const IpAddress&) const override { return {mtu_, most_payload_}; }
  std::optional<IpAddress> source_for(const IpAddress&) const override { return address; }
  void accept(std::unique_ptr<TcpTransport> connection) override { transport = std::move(connection); }

  Wire wire;
  IpAddress address;
  std::unique_ptr<TcpStack> stack;
  std::unique_ptr<TcpTransport> transport;

 private:
  size_t mtu_, most_payload_;
};

size_t take_burst(End& to, Wire& wire) {
  const uint64_t now = monotonic_clock().now_ns();
  size_t n = 0;
  for (; n < 64 && wire.waiting() > 0; ++n) {
    Packet& packet = wire.front();
    to.stack->on_segment({packet.from, packet.to, {packet.bytes.data(), packet.size}, {}, true}, now);
    wire.pop();
  }
  to.stack->end_burst(now);
  to.stack->resume(now);
  to.stack->advance(now);
  return n;
}

void show_counters(const TcpStack& stack) {
  for (size_t i = 0; i < kTcpCountNames.size(); ++i) {
    const uint64_t n = stack.counters().get(static_cast<TcpCount>(i));
    if (n > 0) std::printf("    %s %lu\n", std::string(kTcpCountNames[i]).c_str(), n);
  }
}

void run(const char* name, size_t mtu, size_t most_payload, double seconds) {
  TcpSettings settings;
  settings.send_bytes = size_t{1} << 20;
  settings.secret[3] = 9;
  End sender(1, mtu, most_payload, settings);
  End receiver(2, mtu, most_payload, settings);
  receiver.stack->listen({IpAddress{}, 22}, receiver);
  sender.transport = sender.stack->connect({{}, {receiver.address, 22}}, monotonic_clock().now_ns());
  while (!receiver.transport) {
    take_burst(receiver, sender.wire);
    take_burst(sender, receiver.wire);
  }
  uint64_t sender_cycles = 0;
  uint64_t receiver_cycles = 0;
  uint64_t segments = 0;
  uint64_t bytes = 0;
  const uint64_t begin_cycles = __rdtsc();
  const uint64_t begin = monotonic_clock().now_ns();
  uint64_t now = begin;
  while (static_cast<double>(now - begin) < seconds * 1e9) {
    const uint64_t t0 = __rdtsc();
    SendRing& ring = sender.transport->send_ring();
    while (uint8_t* place = ring.reserve(32768)) SLUICE_CHECK(ring.commit(32768, place, 32768));
    take_burst(sender, receiver.wire);
    sender.transport->flush();
    const uint64_t t1 = __rdtsc();
    segments += take_burst(receiver, sender.wire);
    bytes += receiver.transport->available();
    receiver.transport->release(receiver.transport->available());
    const uint64_t t2 = __rdtsc();
    sender_cycles += t1 - t0;
    receiver_cycles += t2 - t1;
    now = monotonic_clock().now_ns();
  }
  const double hz = static_cast<double>(__rdtsc() - begin_cycles) / static_cast<double>(now - begin) * 1e9;
  const double bits = static_cast<double>(bytes) * 8;
  const auto gbits = [&](uint64_t cycles) { return bits / (static_cast<double>(cycles) / hz) / 1e9; };
  std::printf(
      "%-16s both on one core %6.1f Gb/s; sender %6.1f Gb/s a core, %5.0f cycles a packet; receiver %6.1f Gb/s, "
      "%5.0f\n",
      name, gbits(sender_cycles + receiver_cycles), gbits(sender_cycles),
      static_cast<double>(sender_cycles) / static_cast<double>(segments), gbits(receiver_cycles),
      static_cast<double>(receiver_cycles) / static_cast<double>(segments));
  if (std::getenv("SLUICE_BENCH_COUNTERS") == nullptr) return;
  show_counters(*sender.stack);
  show_counters(*receiver.stack);
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 2;
  run("tcp/1500", 1500, 0, seconds);
  run("tcp/9000", 9000, 0, seconds);
  run("tcp/1500/cut", 1500, 65000, seconds);
}
