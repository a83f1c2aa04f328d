// Counts heap allocations of a connection that sends and receives, with and without losses: none once it is warm.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdlib>

#include "base/random.h"
#include "dataplane/netstack/tcp_segment.h"
#include "dataplane/netstack/tcp_stack.h"
#include "dataplane/netstack/tcp_transport.h"

namespace {
std::atomic<uint64_t> g_allocations{0};
}

extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);

void* malloc(size_t n) { return ++g_allocations, __libc_malloc(n); }
void* calloc(size_t n, size_t size) { return ++g_allocations, __libc_calloc(n, size); }
void* realloc(void* p, size_t n) { return ++g_allocations, __libc_realloc(p, n); }
}

namespace sluice::test {
namespace {

// A queue of packets in memory that was there before.
struct End : SegmentSink, TcpAcceptor {
  struct Packet {
    IpAddress from, to;
    size_t size = 0;
    std::array<uint8_t, 1600> bytes;
  };
  explicit End(uint8_t number) : packets(256) {
    const std::array<uint8_t, 4> bytes{192, 0, 2, number};
    address = IpAddress::of_v4(bytes.data());
    stack = std::make_unique<TcpStack>(TcpSettings{}, *this, 1'000'000);
  }
  SendAnswer send(const SegmentOut& out, uint64_t) override {
    if (out.owner != nullptr) out.owner->frame_left();
    if (end - first == packets.size() || random.below(1000) < lost_of_thousand) return SendAnswer::sent;
    Packet& packet = packets[end++ % packets.size()];
    packet.from = out.from;
    packet.to = out.to;
    std::memcpy(packet.bytes.data(), out.header.data(), out.header.size());
    packet.size = out.header.size();
    for (const Bytes piece : out.payload) {
      std::memcpy(packet.bytes.data() + packet.size, piece.data(), piece.size());
      packet.size += piece.size();
    }
    return SendAnswer::sent;
  }
  PathFacts path(const IpAddress&, const IpAddress&) const override { return {}; }
  std::optional<IpAddress> source_for(const IpAddress&) const override { return address; }
  void accept(std::unique_ptr<TcpTransport> connection) override { transport = std::move(connection); }

  std::vector<Packet> packets;
  size_t first = 0;
  size_t end = 0;
  uint64_t lost_of_thousand = 0;
  CheapRandom random{5};
  IpAddress address;
  std::unique_ptr<TcpStack> stack;
  std::unique_ptr<TcpTransport> transport;
};

struct World {
  World() {
    b.stack->listen({IpAddress{}, 22}, b);
    a.transport = a.stack->connect({{}, {b.address, 22}}, now);
    while (!b.transport) turn();
  }
  static void deliver(End& from, End& to, uint64_t now) {
    for (; from.first != from.end; ++from.first) {
      End::Packet& packet = from.packets[from.first % from.packets.size()];
      to.stack->on_segment({packet.from, packet.to, {packet.bytes.data(), packet.size}, {}, true}, now);
    }
    to.stack->end_burst(now);
    to.stack->advance(now);
  }
  void turn() {
    now += 100'000;
    deliver(a, b, now);
    deliver(b, a, now);
  }
  void send(size_t n) {
    for (size_t done = 0; done < n;) {
      if (uint8_t* place = a.transport->send_ring().reserve(16384)) {
        EXPECT_TRUE(a.transport->send_ring().commit(16384, place, 16384));
      }
      a.transport->flush();
      turn();
      done += b.transport->available();
      b.transport->release(b.transport->available());
    }
  }
  uint64_t now = 2'000'000;
  End a{1};
  End b{2};
};

TEST(NetstackAllocation, A_warm_connection_takes_no_memory_for_a_packet) {
  World world;
  world.send(size_t{8} << 20);
  const uint64_t before = g_allocations;
  world.send(size_t{32} << 20);
  EXPECT_EQ(g_allocations - before, 0u);
}

TEST(NetstackAllocation, Nor_does_one_that_loses_packets) {
  World world;
  world.a.lost_of_thousand = 20;
  world.send(size_t{8} << 20);
  const uint64_t before = g_allocations;
  world.send(size_t{8} << 20);
  EXPECT_EQ(g_allocations - before, 0u);
  EXPECT_GT(world.a.transport->facts().retransmits, 100u);
}

TEST(NetstackAllocation, Nor_do_strangers) {
  World world;
  TcpSegment syn;
  syn.to_port = 22;
  syn.flags = kSyn;
  std::array<uint8_t, kMostTcpHeaderBytes> bytes;
  const uint64_t before = g_allocations;
  for (uint16_t port = 1; port < 5000; ++port) {
    syn.from_port = port;
    const size_t size = syn.write_header(bytes);
    world.b.stack->on_segment({world.a.address, world.b.address, {bytes.data(), size}, {}, true}, world.now);
    world.b.stack->end_burst(world.now);
    world.b.first = world.b.end;
  }
  EXPECT_EQ(g_allocations - before, 0u);
  EXPECT_GT(world.b.stack->counters().get(TcpCount::cookies_sent), 1000u);
}

}  // namespace
}  // namespace sluice::test
