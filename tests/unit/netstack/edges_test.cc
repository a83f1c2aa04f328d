// What is at the edges: numbers that wrap under losses, the last number of a window, two ends that do the same at once,
// acknowledgments made to mislead, windows as large as there are.
#include "base/random.h"
#include "tests/unit/netstack/packet_script.h"
#include "tests/unit/netstack/simulated_link.h"

namespace sluice::test {
namespace {

using Blocks = std::vector<SackBlock>;

TEST(TcpEdges, Our_numbers_wrap_between_holes) {
  PacketScript clock;
  clock.stack.listen(clock.local, clock);
  clock.in({.flags = kSyn, .seq = 0});
  const uint32_t now = clock.drain().at(0).segment.sequence;
  // RFC 6528's clock makes one of four microseconds: until the number is where five segments before its end begin.
  PacketScript script;
  script.now_us += uint64_t{uint32_t{0} - 5 * 1460 - now} * 4;
  script.accept_connection();
  ASSERT_GT(script.own(1), 0xffff0000u);
  ASSERT_LT(script.own(14601), 0x10000u);
  script.write(14600);
  for (uint32_t i = 0; i < 10; ++i) script.out({.seq = 1 + 1460 * i, .len = 1460});
  script.pass(10 * kMs);
  // One hole before the end of numbers, one that begins behind it.
  script.in({.seq = 1, .ack = 1, .sacks = Blocks{{1461, 10221}, {11681, 14601}}});
  script.out({.seq = 1, .len = 1460});
  script.out({.seq = 10221, .len = 1460});
  script.pass(10 * kMs);
  script.in({.seq = 1, .ack = 10221, .sacks = Blocks{{11681, 14601}}});
  script.in({.seq = 1, .ack = 14601});
  const TcpConnectionFacts facts = script.transport->facts();
  EXPECT_EQ(facts.unacknowledged, 0u);
  EXPECT_EQ(facts.retransmits, 2u);
  EXPECT_EQ(facts.timeouts, 0u);
  script.transport->close_sending();
  script.out({.flags = kFin | kAck, .seq = 14601});
}

TEST(TcpEdges, The_last_number_of_the_window_is_in_it) {
  TcpSettings settings = script_settings();
  settings.receive_bytes = settings.most_receive_bytes = 8192;
  PacketScript script(settings);
  script.accept_connection();
  const auto window = static_cast<uint32_t>(script.transport->facts().receive_window);
  ASSERT_GT(window, 1000u);
  for (const uint32_t seq : {window + 2, window + 1000, 0u, 0x80000000u}) {
    script.in({.flags = kRst, .seq = seq});
    script.nothing();
  }
  script.in({.flags = kRst, .seq = window});
  script.out({.flags = kAck, .seq = 1, .ack = 1});
  // And data: the last byte is kept, the one behind it is not.
  script.in({.seq = window, .ack = 1, .len = 2});
  script.out({.flags = kAck, .ack = 1, .sacks = Blocks{{window, window + 1}}});
  EXPECT_FALSE(script.transport->broken());
}

TEST(TcpEdges, A_half_open_connection_ends_by_its_exact_reset_and_by_no_other) {
  PacketScript script;
  script.stack.listen(script.local, script);
  script.in({.flags = kSyn, .seq = 0, .mss = 1460});
  script.drain();
  for (const uint32_t seq : {0u, 2u, 60000u, 0x80000000u}) {
    script.in({.flags = kRst, .seq = seq});
    EXPECT_EQ(script.stack.half_open(), 1u) << seq;
  }
  script.in({.flags = kRst, .seq = 1});
  EXPECT_EQ(script.stack.half_open(), 0u);
  script.nothing();
}

TEST(TcpEdges, Both_close_at_once_with_data_on_the_way) {
  PacketScript script;
  script.accept_connection();
  script.write(100);
  script.out({.seq = 1, .len = 100});
  script.transport->close_sending();
  script.out({.flags = kFin | kAck, .seq = 101});
  script.in({.flags = kFin | kAck, .seq = 1, .ack = 1, .len = 50});
  script.out({.flags = kAck, .seq = 102, .ack = 52});
  EXPECT_EQ(script.transport->facts().state, TcpState::closing);
  script.read(50);
  // The data and not yet the FIN; then that, too.
  script.in({.seq = 52, .ack = 101});
  EXPECT_EQ(script.transport->facts().state, TcpState::closing);
  script.in({.seq = 52, .ack = 102});
  EXPECT_EQ(script.stack.time_waits(), 1u);
  EXPECT_FALSE(script.transport->broken());
}

// Savage's division: an acknowledgment for each byte of a segment. What counts is bytes.
TEST(TcpEdges, Acknowledgments_in_pieces_open_the_window_no_further_than_their_bytes) {
  PacketScript script;
  script.accept_connection(65535, true, false, 7);
  script.in({.seq = 1, .ack = 1, .win = 65535});
  script.write(200'000);
  ASSERT_EQ(script.drain().size(), 10u);
  script.pass(10 * kMs);
  const size_t before = script.transport->facts().cwnd;
  for (uint32_t i = 1; i <= 1460; ++i) script.in({.seq = 1, .ack = 1 + i, .win = 65535});
  EXPECT_LE(script.transport->facts().cwnd, before + 1460);
  EXPECT_LE(script.drain().size(), 2u);
}

TEST(TcpEdges, Selective_acknowledgments_without_end_bring_one_retransmission_of_each_hole) {
  PacketScript script;
  script.accept_connection();
  script.write(14600);
  script.drain();
  script.pass(10 * kMs);
  for (uint32_t i = 0; i < 5000; ++i) {
    // Always the same holes, blocks in another order and in pieces.
    const uint32_t piece = 1461 + i % 8 * 1460;
    script.in({.seq = 1, .ack = 1, .sacks = Blocks{{1461, 13141}, {piece, piece + 1460}, {piece, piece + 100}}});
  }
  size_t again = 0;
  for (const Seen& seen : script.drain()) again += seen.segment.sequence == script.own(1) ? 1 : 0;
  EXPECT_EQ(again, 1u);
  EXPECT_EQ(script.transport->facts().unacknowledged, 14600u);
}

TEST(TcpEdges, Two_stacks_that_open_at_once_become_one_connection) {
  for (const uint64_t seed : {1, 2, 3, 4, 5, 6, 7, 8}) {
    SCOPED_TRACE(seed);
    LinkPath path;
    path.delay_us = 5 * kMs;
    path.loss = seed == 1 ? 0 : 0.2;
    path.duplicate = seed < 4 ? 0 : 0.2;
    SimulatedLink link(path, seed, script_settings());
    const IpEndpoint at_a{link.a().address, 1000}, at_b{link.b().address, 2000};
    auto a = link.a().stack->connect({at_a, at_b}, link.now_us * 1000);
    auto b = link.b().stack->connect({at_b, at_a}, link.now_us * 1000);
    ASSERT_TRUE(link.run(120 * kSecond, [&] { return !a->connecting() && !b->connecting(); }));
    ASSERT_FALSE(a->broken() || b->broken());
    CheckedStream up(*a, *b, 50'000, seed);
    CheckedStream down(*b, *a, 50'000, seed + 1);
    ASSERT_TRUE(link.run(300 * kSecond, [&] {
      up.step();
      down.step();
      return up.done() && down.done();
    }));
    EXPECT_TRUE(up.right() && down.right());
    // And they close at once.
    a->close_sending();
    b->close_sending();
    EXPECT_TRUE(link.run(120 * kSecond, [&] { return a->ended() && b->ended(); }));
    a.reset();
    b.reset();
    link.run(600 * kSecond, [] { return false; });
    EXPECT_EQ(link.a().stack->connections() + link.b().stack->connections(), 0u);
  }
}

uint32_t end_of(const PacketScript& script, const Seen& seen) {
  const uint32_t fin = seen.segment.has(kFin) ? 1 : 0;
  return seen.segment.sequence + static_cast<uint32_t>(seen.payload.size()) + fin - script.own(0);
}

// A window of more segments than leave at once, on a path of tens of ms; nothing is in flight.
void widen(PacketScript& script) {
  script.accept_connection(65535, true, false, 7);
  while (script.transport->facts().cwnd < 100'000) {
    script.write(200'000);
    for (bool more = true; more;) {
      script.pass(50 * kMs);
      const auto sent = script.drain();
      more = !sent.empty();
      for (const Seen& seen : sent) script.in({.seq = 1, .ack = end_of(script, seen), .win = 65535});
    }
  }
  ASSERT_GT(script.transport->facts().srtt_us, TcpSettings().paced_from_us);
}

TEST(TcpPacing, What_waits_for_its_time_needs_no_word_of_the_peer_and_the_end_comes_behind_it) {
  PacketScript script;
  widen(script);
  script.write(90'000);
  script.transport->close_sending();
  const size_t at_once = script.drain().size();
  EXPECT_GT(at_once, 0u);
  EXPECT_LT(at_once, 62u);
  // Each time that it wakes something goes.
  const uint64_t until = script.now_us + script.transport->facts().srtt_us;
  size_t wakes = 0, useless = 0;
  std::vector<Seen> sent;
  for (uint64_t at; (at = script.stack.next_deadline() / 1000) <= until; ++wakes) {
    ASSERT_GT(at, script.now_us);
    script.now_us = at;
    script.stack.advance(at * 1000);
    const auto now = script.drain();
    useless += now.empty() ? 1 : 0;
    sent.insert(sent.end(), now.begin(), now.end());
  }
  ASSERT_FALSE(sent.empty());
  EXPECT_TRUE(sent.back().segment.has(kFin));
  EXPECT_EQ(end_of(script, sent.back()), script.written + 2);
  EXPECT_LE(useless, 1u);
  EXPECT_LE(wakes, 62u);
}

TEST(TcpPacing, A_window_that_closes_meanwhile_is_asked_about) {
  PacketScript script;
  widen(script);
  script.write(90'000);
  const auto sent = script.drain();
  ASSERT_LT(sent.size(), 62u);
  const uint32_t at = end_of(script, sent.back());
  script.in({.seq = 1, .ack = at, .win = 0});
  script.pass(kSecond);
  const auto asked = script.drain();
  ASSERT_FALSE(asked.empty());
  EXPECT_LE(asked.size(), 4u);
  EXPECT_EQ(end_of(script, asked.back()), at - 1);
  script.in({.seq = 1, .ack = at, .win = 65535});
  script.out({.seq = at, .len = 1460});
}

// Round trips on both sides of where it begins, windows that close, a clock that stands still.
TEST(TcpPacing, A_stream_ends_whatever_the_round_trip_does) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(seed);
    CheapRandom random(seed);
    PacketScript script;
    widen(script);
    const size_t total = script.written + 1'000'000;
    uint32_t seen_to = static_cast<uint32_t>(script.written) + 1;
    for (int turn = 0; seen_to < total + 1; ++turn) {
      ASSERT_LT(turn, 4000);
      const size_t room = 900'000 - script.transport->send_ring().pending_bytes();
      if (room < 900'000 && script.written < total) script.write(std::min<size_t>(total - script.written, room));
      if (room == 900'000 && script.written < total) script.write(std::min<size_t>(total - script.written, 400'000));
      constexpr std::array<uint64_t, 6> kWaits{0, 0, 100, 4'000, 12'000, 80'000};
      script.pass(kWaits[random.below(kWaits.size())]);
      EXPECT_GT(script.stack.next_deadline() / 1000, script.now_us);
      for (const Seen& seen : script.drain()) {
        if (random.below(100) > 0) seen_to = std::max(seen_to, end_of(script, seen));
      }
      script.in({.seq = 1, .ack = seen_to, .win = static_cast<uint16_t>(random.below(8) == 0 ? 0 : 65535)});
    }
  }
}

// It is wider than what a loss leaves of a window of small segments: a window below one segment would wait for ever.
TEST(TcpEdges, A_path_that_is_wide_again_after_a_loss_is_still_used) {
  PacketScript script;
  script.mtu = 9000;
  script.accept_connection(60000, true, false, -1, 8960);
  script.write(2000);
  script.stack.on_notice(script.notice(SegmentNotice::Kind::too_big, 1, 576), script.now_us * 1000);
  script.end_burst();
  script.drain();
  script.in({.seq = 1, .ack = 2001});
  ASSERT_EQ(script.transport->facts().mss, 536u);
  script.pass(601 * kSecond);
  uint32_t at = 2001;
  for (int i = 0; i < 10; ++i, at += 8000) {
    script.write(8000);
    script.pass(10 * kMs);
    while (!script.sent.empty()) {
      for (const Seen& seen : script.drain()) {
        script.in(
            {.seq = 1, .ack = seen.segment.sequence + static_cast<uint32_t>(seen.payload.size()) - script.own(0)});
      }
    }
  }
  // A small one is lost, the large one behind it arrives.
  script.write(536);
  script.out({.seq = at, .len = 536});
  script.write(8960 + 3 * 536);
  script.out({.seq = at + 536, .len = 8960});
  script.drain();
  const uint32_t end = at + 536 + 8960 + 3 * 536;
  script.pass(10 * kMs);
  script.in({.seq = 1, .ack = at, .sacks = std::vector<SackBlock>{{at + 536, end}}});
  script.out({.seq = at, .len = 536});
  script.in({.seq = 1, .ack = end});
  ASSERT_EQ(script.transport->facts().mss, 8960u);
  script.drain();
  script.write(30000);
  script.out({.seq = end, .len = 8960});
}

TEST(TcpEdges, A_window_grows_to_64_MiB_and_no_further) {
  LinkPath path;
  path.delay_us = 100 * kMs;
  path.rate = 1'000'000'000;
  path.queue = size_t{64} << 20;
  path.mtu = 9000;
  TcpSettings settings = script_settings();
  settings.send_bytes = settings.most_send_bytes = size_t{128} << 20;
  settings.receive_bytes = size_t{1} << 20;
  settings.most_receive_bytes = size_t{64} << 20;
  SimulatedLink link(path, 1, settings);
  link.b().stack->listen({IpAddress{}, 22}, link.b());
  auto client = link.a().stack->connect({{}, {link.b().address, 22}}, link.now_us * 1000);
  ASSERT_TRUE(link.run(kSecond, [&] { return !link.b().accepted.empty() && !client->connecting(); }));
  CheckedStream stream(*client, *link.b().accepted.front(), size_t{600} << 20, 1);
  size_t widest = 0;
  ASSERT_TRUE(link.run(60 * kSecond, [&] {
    stream.step();
    widest = std::max<size_t>(widest, link.b().accepted.front()->facts().receive_window);
    return stream.done();
  }));
  EXPECT_TRUE(stream.right());
  EXPECT_GT(widest, size_t{60} << 20);
  EXPECT_LE(widest, size_t{64} << 20);
}

}  // namespace
}  // namespace sluice::test
