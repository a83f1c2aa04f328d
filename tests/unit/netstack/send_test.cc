// What goes out: windows, losses and their repair, probes, paths that become narrower.
#include "tests/unit/netstack/packet_script.h"

namespace sluice::test {
namespace {

using Blocks = std::vector<SackBlock>;

// Ten segments in flight, sent at once; the round trip is 10 ms.
void ten_in_flight(PacketScript& script, bool sack = true) {
  script.accept_connection(60000, sack);
  script.write(14600);
  for (uint32_t i = 0; i < 10; ++i) script.out({.seq = 1 + 1460 * i, .len = 1460});
  script.nothing();
  script.pass(10 * kMs);
}

TEST(TcpSend, Slow_start_begins_with_ten_segments_and_doubles) {
  PacketScript script;
  script.accept_connection(65535, true, false, 7);
  script.in({.seq = 1, .ack = 1, .win = 65535});
  script.write(200'000);
  EXPECT_EQ(script.drain().size(), 10u);
  script.pass(10 * kMs);
  script.in({.seq = 1, .ack = 14601, .win = 65535});
  EXPECT_EQ(script.drain().size(), 20u);
}

TEST(TcpSend, Segments_that_are_cut_below_go_in_one) {
  PacketScript script;
  script.most_payload = 65000;
  script.accept_connection(65535, true, false, 7);
  script.in({.seq = 1, .ack = 1, .win = 65535});
  script.write(200'000);
  const Seen seen = script.out({.seq = 1, .len = 14600});
  EXPECT_EQ(seen.cut, 1460);
  script.nothing();
}

TEST(TcpSend, A_send_is_never_more_segments_than_a_port_keeps_waiting) {
  PacketScript script;
  script.most_payload = 65000;
  script.accept_connection(65535, true, false, 7, 64);
  script.write(400'000);
  // Acknowledged as they come, so that the window is wide.
  size_t largest = 0;
  for (int i = 0; i < 60; ++i) {
    for (const Seen& seen : script.drain()) {
      const size_t each = seen.cut > 0 ? seen.cut : std::max<size_t>(seen.payload.size(), 1);
      EXPECT_LE((seen.payload.size() + each - 1) / each, 128u);
      largest = std::max(largest, seen.payload.size());
      script.in({.seq = 1,
                 .ack = seen.segment.sequence - script.own(0) + static_cast<uint32_t>(seen.payload.size()),
                 .win = 65535});
    }
  }
  EXPECT_EQ(largest, 128u * 64);
}

TEST(TcpSend, Small_writes_leave_at_once) {
  PacketScript script;
  script.accept_connection();
  for (uint32_t i = 0; i < 5; ++i) {
    script.write(10);
    script.out({.seq = 1 + 10 * i, .len = 10});
  }
}

TEST(TcpSend, The_third_segment_behind_a_hole_brings_it_again) {
  PacketScript script;
  ten_in_flight(script);
  script.in({.seq = 1, .ack = 1, .sacks = Blocks{{1461, 2921}}});
  script.in({.seq = 1, .ack = 1, .sacks = Blocks{{1461, 4381}}});
  script.nothing();
  script.in({.seq = 1, .ack = 1, .sacks = Blocks{{1461, 5841}}});
  script.out({.seq = 1, .len = 1460});
  EXPECT_EQ(script.stack.counters().get(TcpCount::fast_recoveries), 1u);
  const size_t reduced = script.transport->facts().ssthresh;
  EXPECT_EQ(reduced, 14600 * 7 / 10u);
  script.pass(10 * kMs);
  script.in({.seq = 1, .ack = 14601});
  EXPECT_EQ(script.transport->facts().cwnd, reduced);
  EXPECT_EQ(script.transport->facts().retransmits, 1u);
}

TEST(TcpSend, A_retransmission_that_is_lost_too_is_sent_again_without_a_timeout) {
  PacketScript script;
  ten_in_flight(script);
  script.in({.seq = 1, .ack = 1, .sacks = Blocks{{1461, 5841}}});
  script.out({.seq = 1, .len = 1460});
  script.write(14600);
  const auto more = script.drain();
  script.in({.seq = 1, .ack = 1, .sacks = Blocks{{1461, 14601}}});
  const size_t fresh = more.size() + script.drain().size();
  ASSERT_GT(fresh, 0u);
  script.pass(15 * kMs);
  // Sent after the retransmission, and here before it.
  script.in({.seq = 1, .ack = 1, .sacks = Blocks{{1461, 16061}}});
  script.out({.seq = 1, .len = 1460});
  EXPECT_EQ(script.transport->facts().timeouts, 0u);
}

TEST(TcpSend, Reordering_within_a_quarter_of_a_round_trip_is_no_loss_once_it_was_seen) {
  PacketScript script;
  ten_in_flight(script);
  script.in({.seq = 1, .ack = 1, .sacks = Blocks{{1461, 2921}}});
  // The one that was missing came late.
  script.in({.seq = 1, .ack = 2921});
  script.drain();
  script.in({.seq = 1, .ack = 2921, .sacks = Blocks{{4381, 10221}}});
  script.nothing();
  script.pass(4 * kMs);
  script.out({.seq = 2921, .len = 1460});
}

TEST(TcpSend, A_lost_tail_is_probed_for_before_the_timeout) {
  PacketScript script;
  script.accept_connection();
  script.write(14600);
  script.drain();
  script.pass(10 * kMs);
  script.in({.seq = 1, .ack = 1461});
  script.nothing();
  script.pass(100 * kMs);
  // The last segment, whose acknowledgment tells of all holes before it.
  const Seen probe = script.out({.seq = 13141, .len = 1460});
  EXPECT_EQ(script.transport->facts().timeouts, 0u);
  EXPECT_EQ(script.stack.counters().get(TcpCount::tail_probes), 1u);
  script.in({.seq = 1, .ack = 1461, .sacks = Blocks{{13141, 14601}}});
  script.out({.seq = 1461, .len = 1460});
}

TEST(TcpSend, A_probe_that_repaired_a_loss_costs_what_a_loss_costs) {
  for (const bool lost : {true, false}) {
    PacketScript script;
    script.accept_connection();
    script.write(14600);
    script.drain();
    script.pass(10 * kMs);
    script.in({.seq = 1, .ack = 11681});
    script.pass(100 * kMs);
    script.out({.seq = 13141, .len = 1460});
    ASSERT_EQ(script.transport->facts().timeouts, 0u);
    const size_t before = script.transport->facts().cwnd;
    script.in({.seq = 1, .ack = 14601});
    // Both copies arrived: a second acknowledgment says so.
    if (!lost) script.in({.seq = 1, .ack = 14601, .sacks = Blocks{{13141, 14601}}});
    script.write(1000);
    script.in({.seq = 1, .ack = 15601});
    EXPECT_EQ(script.transport->facts().cwnd < before, lost);
  }
}

TEST(TcpSend, A_timeout_sends_one_segment_and_waits_twice_as_long_the_next_time) {
  PacketScript script;
  ten_in_flight(script, false);
  script.pass(kSecond);
  const auto seen = script.drain();
  ASSERT_GE(seen.size(), 2u);
  EXPECT_EQ(seen[0].segment.sequence, script.own(1));
  EXPECT_EQ(seen[1].segment.sequence, script.own(1));
  EXPECT_EQ(seen[0].payload.size(), 1460u);
  EXPECT_EQ(script.transport->facts().timeouts, 2u);
  EXPECT_EQ(script.transport->facts().cwnd, script.transport->facts().mss);
  // Slow start goes on from where the acknowledgment is.
  script.in({.seq = 1, .ack = 1461});
  EXPECT_EQ(script.drain().size(), 2u);
}

TEST(TcpSend, A_timeout_that_was_none_is_undone) {
  PacketScript script;
  script.accept_connection(60000, false, true);
  script.write(14480);
  script.drain();
  const uint32_t first = script.last_own_stamp;
  const size_t cwnd = script.transport->facts().cwnd;
  script.pass(250 * kMs);
  EXPECT_EQ(script.transport->facts().timeouts, 1u);
  script.drain();
  // The path was slow, not lossy: RFC 3522.
  script.in({.seq = 1, .ack = 1449, .echo = first});
  EXPECT_EQ(script.stack.counters().get(TcpCount::spurious_recoveries), 1u);
  EXPECT_GE(script.transport->facts().cwnd, cwnd);
  script.nothing();
}

TEST(TcpSend, Without_selective_acknowledgments_three_duplicates_are_a_loss) {
  PacketScript script;
  ten_in_flight(script, false);
  script.write(20000);
  for (int i = 0; i < 2; ++i) {
    script.in({.seq = 1, .ack = 1});
    // RFC 3042: a segment for each of the first two.
    script.out({.seq = 14601 + 1460 * static_cast<uint32_t>(i), .len = 1460});
  }
  script.in({.seq = 1, .ack = 1});
  script.out({.seq = 1, .len = 1460});
  for (int i = 0; i < 5; ++i) script.in({.seq = 1, .ack = 1});
  script.drain();
  // A partial acknowledgment names the next hole.
  script.in({.seq = 1, .ack = 2921});
  script.out({.seq = 2921, .len = 1460});
  EXPECT_EQ(script.transport->facts().timeouts, 0u);
}

TEST(TcpSend, Selective_acknowledgments_that_lie_change_nothing) {
  PacketScript script;
  ten_in_flight(script);
  script.in({.seq = 1, .ack = 1, .sacks = Blocks{{20000, 30000}, {5000, 4000}, {0xfffff000u, 0}, {100, 200}}});
  script.in({.seq = 1, .ack = 1, .sacks = Blocks{{1, 0x7fffffff}, {0x80000000u, 1}}});
  EXPECT_EQ(script.transport->facts().in_flight, 14600u);
  EXPECT_EQ(script.transport->facts().unacknowledged, 14600u);
  script.in({.seq = 1, .ack = 14601});
  EXPECT_EQ(script.transport->facts().unacknowledged, 0u);
}

TEST(TcpSend, A_peer_that_takes_back_what_it_acknowledged_gets_it_again) {
  PacketScript script;
  ten_in_flight(script);
  script.in({.seq = 1, .ack = 1, .sacks = Blocks{{2921, 14601}}});
  script.drain();
  script.pass(10 * kMs);
  // Up to what it had selectively acknowledged, and nothing more: it has thrown that away.
  script.in({.seq = 1, .ack = 2921});
  script.pass(kSecond);
  const auto seen = script.drain();
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen.front().segment.sequence, script.own(2921));
}

TEST(TcpSend, A_closed_window_is_asked_about_at_growing_intervals) {
  PacketScript script;
  script.accept_connection(1460);
  script.write(5000);
  script.out({.seq = 1, .len = 1460});
  script.in({.seq = 1, .ack = 1461, .win = 0});
  script.nothing();
  script.pass(10 * kSecond);
  const auto probes = script.drain();
  ASSERT_GE(probes.size(), 4u);
  for (const Seen& probe : probes) EXPECT_EQ(probe.payload.size(), 0u);
  EXPECT_GT(probes[3].at_us - probes[2].at_us, probes[2].at_us - probes[1].at_us);
  EXPECT_FALSE(script.transport->broken());
  script.in({.seq = 1, .ack = 1461, .win = 3000});
  script.out({.seq = 1461, .len = 1460});
  script.out({.seq = 2921, .len = 1460});
}

TEST(TcpSend, A_closed_window_whose_peer_answers_is_waited_for_without_end) {
  PacketScript script;
  script.accept_connection(1460);
  script.write(5000);
  script.in({.seq = 1, .ack = 1461, .win = 0});
  for (int i = 0; i < 100; ++i) {
    script.pass(60 * kSecond);
    ASSERT_FALSE(script.transport->broken()) << i;
    if (!script.drain().empty()) script.in({.seq = 1, .ack = 1461, .win = 0});
  }
  script.pass(1000 * kSecond);
  EXPECT_EQ(script.transport->failure(), TcpEnd::timed_out) << "but not when it says nothing";
}

TEST(TcpSend, A_window_of_a_few_bytes_is_not_used_at_once) {
  PacketScript script;
  script.accept_connection(10000);
  script.write(12000);
  script.drain();
  script.in({.seq = 1, .ack = 8761, .win = 100});
  script.nothing();
  script.pass(kSecond);
  const auto seen = script.drain();
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen.front().payload.size(), 100u);
}

TEST(TcpSend, A_window_that_shrinks_is_survived) {
  PacketScript script;
  ten_in_flight(script);
  script.in({.seq = 1, .ack = 1461, .win = 1000});
  script.write(5000);
  script.nothing();
  script.pass(5 * kSecond);
  for (const Seen& seen : script.drain()) {
    EXPECT_EQ(seen.segment.sequence, script.own(1461)) << "beyond the window nothing is sent again";
  }
  EXPECT_FALSE(script.transport->broken());
  script.in({.seq = 1, .ack = 14601, .win = 60000});
  script.out({.seq = 14601, .len = 1460});
}

TEST(TcpSend, A_peer_that_is_gone_is_given_up_and_told) {
  TcpSettings settings = script_settings();
  settings.give_up_us = 30 * kSecond;
  PacketScript script(settings);
  script.accept_connection();
  script.write(100);
  script.pass(100 * kSecond);
  EXPECT_EQ(script.transport->failure(), TcpEnd::timed_out);
  EXPECT_TRUE((script.drain().back().segment.flags & kRst) != 0);
}

TEST(TcpSend, A_narrower_path_gets_smaller_segments_at_once) {
  PacketScript script;
  ten_in_flight(script);
  // Of another connection, of a number that is not in flight, or not smaller: no word of it is believed.
  script.stack.on_notice(script.notice(SegmentNotice::Kind::too_big, 20000, 1000), script.now_us * 1000);
  script.stack.on_notice(script.notice(SegmentNotice::Kind::too_big, 1, 9000), script.now_us * 1000);
  script.end_burst();
  script.nothing();
  EXPECT_EQ(script.transport->facts().mss, 1460u);
  script.stack.on_notice(script.notice(SegmentNotice::Kind::too_big, 1, 1000), script.now_us * 1000);
  script.end_burst();
  EXPECT_EQ(script.transport->facts().mss, 960u);
  script.out({.seq = 1, .len = 960});
  script.out({.seq = 961, .len = 500});
  script.out({.seq = 1461, .len = 960});
  // As small as this is nobody's path: RFC 5927.
  script.stack.on_notice(script.notice(SegmentNotice::Kind::too_big, 1, 68), script.now_us * 1000);
  EXPECT_EQ(script.transport->facts().mss, 536u);
}

TEST(TcpSend, A_path_that_swallows_large_segments_is_tried_with_small_ones) {
  PacketScript script;
  script.accept_connection();
  script.write(14600);
  script.drain();
  script.pass(2 * kSecond);
  const auto seen = script.drain();
  ASSERT_FALSE(seen.empty());
  EXPECT_LE(seen.back().payload.size(), 984u);
  EXPECT_EQ(script.stack.counters().get(TcpCount::black_holes), 1u);
}

TEST(TcpSend, A_path_that_was_away_for_a_moment_gets_large_segments_again) {
  PacketScript script;
  script.accept_connection();
  script.write(14600);
  script.drain();
  script.pass(2 * kSecond);
  ASSERT_EQ(script.transport->facts().mss, 984u);
  script.drain();
  script.in({.seq = 1, .ack = 14601});
  script.write(3000);
  script.out({.seq = 14601, .len = 984});
  script.drain();
  script.in({.seq = 1, .ack = 17601});
  // Some windows later, and some seconds.
  uint32_t at = 17601;
  for (int i = 0; i < 10; ++i, at += 5000) {
    script.write(5000);
    script.drain();
    script.in({.seq = 1, .ack = at + 5000});
  }
  script.pass(6 * kSecond);
  script.write(10000);
  script.out({.seq = at, .len = 1460});
  script.out({.seq = at + 1460, .len = 984});
  script.drain();
  script.in({.seq = 1, .ack = at + 2444});
  EXPECT_EQ(script.transport->facts().mss, 1460u);
}

TEST(TcpSend, A_large_segment_that_does_not_arrive_goes_again_in_parts) {
  PacketScript script;
  script.accept_connection();
  script.stack.on_notice(script.notice(SegmentNotice::Kind::too_big, 1, 1000), script.now_us * 1000);
  EXPECT_EQ(script.transport->facts().mss, 1460u) << "nothing is in flight";
  script.write(2000);
  script.stack.on_notice(script.notice(SegmentNotice::Kind::too_big, 1, 1000), script.now_us * 1000);
  script.end_burst();
  script.drain();
  script.in({.seq = 1, .ack = 2001});
  script.pass(601 * kSecond);
  script.write(9600);
  script.out({.seq = 2001, .len = 1460});
  script.drain();
  script.pass(10 * kMs);
  script.in({.seq = 1, .ack = 2001, .sacks = Blocks{{3461, 6341}}});
  script.out({.seq = 2001, .len = 960});
  script.out({.seq = 2961, .len = 500});
  EXPECT_EQ(script.transport->facts().mss, 960u);
}

TEST(TcpSend, Without_room_below_everything_waits_and_nothing_is_lost) {
  PacketScript script;
  script.accept_connection();
  script.has_room = false;
  script.write(3000);
  script.nothing();
  script.pass(50 * kMs);
  script.has_room = true;
  script.stack.resume(script.now_us * 1000);
  script.out({.seq = 1, .len = 1460});
  script.out({.seq = 1461, .len = 1460});
  script.out({.seq = 2921, .len = 80});
}

TEST(TcpSend, Memory_that_a_device_still_reads_outlives_its_connection) {
  PacketScript script;
  script.accept_connection();
  script.holds_frames = true;
  script.write(3000);
  ASSERT_EQ(script.held.size(), 3u);
  script.transport->abort();
  script.transport.reset();
  script.end_burst();
  EXPECT_EQ(script.stack.connections(), 1u);
  for (FrameOwner* owner : script.held) owner->frame_left();
  script.end_burst();
  EXPECT_EQ(script.stack.connections(), 0u);
  EXPECT_EQ(script.stack.memory_in_use(), 0u);
}

TEST(TcpSend, What_is_acknowledged_before_it_has_left_stays) {
  PacketScript script;
  script.accept_connection();
  script.holds_frames = true;
  script.write(3000);
  script.in({.seq = 1, .ack = 3001});
  EXPECT_EQ(script.transport->facts().unacknowledged, 0u);
  EXPECT_EQ(script.transport->send_ring().pending_bytes(), 3000u);
  script.held[0]->frame_left();
  EXPECT_EQ(script.transport->send_ring().pending_bytes(), 1540u);
  script.drain();
  script.write(100);
  script.out({.seq = 3001, .len = 100});
  for (size_t i = 1; i < 4; ++i) script.held[i]->frame_left();
  EXPECT_EQ(script.transport->send_ring().pending_bytes(), 100u);
}

TEST(TcpSend, Frames_that_leave_while_others_are_sent_are_counted_each) {
  PacketScript script;
  script.accept_connection();
  script.holds_frames = true;
  script.holds_at_most = 2;
  uint32_t written = 0;
  for (int i = 0; i < 20; ++i) {
    script.write(6000);
    written += 6000;
    script.in({.seq = 1, .ack = 1 + written});
  }
  EXPECT_EQ(script.transport->facts().unacknowledged, 0u);
  for (FrameOwner* owner : std::exchange(script.held, {})) owner->frame_left();
  EXPECT_EQ(script.transport->send_ring().pending_bytes(), 0u) << "nobody reads any of it";
  script.transport->abort();
  script.transport.reset();
  script.end_burst();
  EXPECT_EQ(script.stack.connections(), 0u);
  EXPECT_EQ(script.stack.memory_in_use(), 0u);
}

TEST(TcpSend, What_is_sent_again_is_copied_below) {
  PacketScript script;
  script.accept_connection();
  script.holds_frames = true;
  script.write(1000);
  script.pass(kSecond);
  EXPECT_GE(script.drain().size(), 2u);
  EXPECT_EQ(script.held.size(), 1u);
  script.held.front()->frame_left();
}

TEST(TcpSend, A_transport_that_outlives_its_stack_is_broken_and_harmless) {
  std::unique_ptr<TcpTransport> kept;
  {
    PacketScript script;
    script.accept_connection();
    script.in({.seq = 1, .ack = 1, .len = 10});
    kept = std::move(script.transport);
  }
  EXPECT_TRUE(kept->broken() && kept->ended());
  EXPECT_EQ(kept->available(), 0u);
  kept->flush();
  kept->close_sending();
  kept->abort();
}

TEST(TcpSend, Idle_windows_begin_anew) {
  PacketScript script;
  script.accept_connection(65535, true, false, 7);
  script.in({.seq = 1, .ack = 1, .win = 65535});
  for (int i = 0; i < 4; ++i) {
    script.write(100'000);
    script.drain();
    script.pass(10 * kMs);
    for (int n = 0; n < 20; ++n) {
      script.in({.seq = 1,
                 .ack = 1 + static_cast<uint32_t>(script.written) -
                        static_cast<uint32_t>(script.transport->send_ring().pending_bytes()) +
                        static_cast<uint32_t>(script.transport->facts().unacknowledged),
                 .win = 65535});
      script.drain();
    }
  }
  EXPECT_GT(script.transport->facts().cwnd, 30000u);
  script.pass(5 * kSecond);
  script.write(100'000);
  EXPECT_EQ(script.drain().size(), 10u);
}

}  // namespace
}  // namespace sluice::test
