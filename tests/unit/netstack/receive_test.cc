// What may come in: resets, old and overlapping segments, wrapped numbers, timestamps, closed windows.
#include "tests/unit/netstack/packet_script.h"

namespace sluice::test {
namespace {

TEST(TcpReset, Exactly_the_next_number_ends_the_connection) {
  PacketScript script;
  script.accept_connection();
  script.in({.flags = kRst, .seq = 1});
  EXPECT_EQ(script.transport->failure(), TcpEnd::reset);
  EXPECT_TRUE(script.transport->broken());
  script.nothing();
}

TEST(TcpReset, Elsewhere_in_the_window_it_is_asked_about) {
  PacketScript script;
  script.accept_connection();
  script.in({.flags = kRst, .seq = 100});
  // RFC 5961 section 3.2: whoever did send it answers with the right number.
  script.out({.flags = kAck, .seq = 1, .ack = 1});
  EXPECT_FALSE(script.transport->broken());
  script.in({.flags = kRst, .seq = 1});
  EXPECT_TRUE(script.transport->broken());
}

TEST(TcpReset, Outside_the_window_it_is_nothing) {
  PacketScript script;
  script.accept_connection();
  script.in({.flags = kRst, .seq = 0x7fffffff});
  script.in({.flags = kRst | kAck, .seq = 0});
  script.nothing();
  EXPECT_FALSE(script.transport->broken());
}

TEST(TcpReset, A_syn_in_a_connection_is_asked_about_and_never_ends_it) {
  PacketScript script;
  script.accept_connection();
  for (const uint32_t seq : {0u, 1u, 100u, 0x80000000u}) {
    script.in({.flags = kSyn, .seq = seq});
    script.out({.flags = kAck, .seq = 1, .ack = 1});
  }
  EXPECT_FALSE(script.transport->broken());
}

TEST(TcpReset, Questions_to_strangers_have_a_limit) {
  PacketScript script;
  script.accept_connection();
  for (int i = 0; i < 1000; ++i) script.in({.flags = kRst, .seq = static_cast<uint32_t>(2 + i)});
  EXPECT_LE(script.drain().size(), 8u);
  EXPECT_LE(script.stack.counters().get(TcpCount::challenge_acks), 8u);
}

TEST(TcpReceive, Acknowledgments_of_what_was_never_sent_are_refused) {
  PacketScript script;
  script.accept_connection();
  script.write(100);
  script.drain();
  script.in({.seq = 1, .ack = 5000, .len = 10});
  script.out({.flags = kAck, .ack = 1});
  script.in({.seq = 1, .ack = 0x80000001, .len = 10});
  script.out({.flags = kAck, .ack = 1});
  EXPECT_EQ(script.transport->available(), 0u);
  EXPECT_EQ(script.transport->facts().unacknowledged, 100u);
}

TEST(TcpReceive, A_flood_of_acknowledgments_is_answered_by_nothing) {
  PacketScript script;
  script.accept_connection();
  for (int i = 0; i < 10000; ++i) script.in({.seq = 1, .ack = 1});
  script.nothing();
  for (int i = 0; i < 10000; ++i) script.in({.seq = 0x40000000, .ack = 1});
  EXPECT_LE(script.drain().size(), 8u);
}

TEST(TcpReceive, Sequence_numbers_wrap) {
  PacketScript script(script_settings(), 0xfffffff0u);
  script.accept_connection();
  script.in({.seq = 1, .ack = 1, .len = 1000});
  script.in({.seq = 2001, .ack = 1, .len = 1000});
  script.in({.seq = 1001, .ack = 1, .len = 1000});
  script.read(3000);
}

TEST(TcpReceive, Overlapping_segments_give_each_byte_once) {
  PacketScript script;
  script.accept_connection();
  script.in({.seq = 1, .ack = 1, .len = 100});
  script.in({.seq = 51, .ack = 1, .len = 100});
  script.read(150);
  script.in({.seq = 301, .ack = 1, .len = 100});
  script.in({.seq = 251, .ack = 1, .len = 200});
  script.in({.seq = 141, .ack = 1, .len = 115});
  script.read(300);
  script.in({.seq = 1, .ack = 1, .len = 500});
  script.read(50);
}

TEST(TcpReceive, Gaps_are_told_newest_first_and_duplicates_before_them) {
  PacketScript script;
  script.accept_connection();
  using Blocks = std::vector<SackBlock>;
  script.in({.seq = 1001, .ack = 1, .len = 1000});
  script.out({.ack = 1, .sacks = Blocks{{1001, 2001}}});
  script.in({.seq = 3001, .ack = 1, .len = 1000});
  script.out({.ack = 1, .sacks = Blocks{{3001, 4001}, {1001, 2001}}});
  script.in({.seq = 5001, .ack = 1, .len = 1000});
  script.out({.ack = 1, .sacks = Blocks{{5001, 6001}, {3001, 4001}, {1001, 2001}}});
  // RFC 2883: what came twice, in front of what holds it.
  script.in({.seq = 3001, .ack = 1, .len = 1000});
  script.out({.ack = 1, .sacks = Blocks{{3001, 4001}, {3001, 4001}, {5001, 6001}, {1001, 2001}}});
  script.in({.seq = 1, .ack = 1, .len = 1000});
  script.out({.ack = 2001, .sacks = Blocks{{3001, 4001}, {5001, 6001}}});
  script.in({.seq = 1, .ack = 1, .len = 100});
  script.out({.ack = 2001, .sacks = Blocks{{1, 101}, {3001, 4001}, {5001, 6001}}});
}

TEST(TcpReceive, More_gaps_than_there_is_memory_for_cost_the_peer_and_not_us) {
  TcpSettings settings = script_settings();
  PacketScript script(settings);
  script.accept_connection(60000, true, false, 10);
  script.in({.seq = 1, .ack = 1, .len = 1});
  script.pass(100 * kMs);
  for (uint32_t i = 0; i < 20000; ++i) script.in({.seq = 3 + 3 * i, .ack = 1, .len = 1});
  script.drain();
  script.read(1);
  script.in({.seq = 2, .ack = 1, .len = 1});
  script.read(2);
}

TEST(TcpReceive, Paws_refuses_what_is_older_than_what_came) {
  PacketScript script;
  script.accept_connection(60000, true, true);
  script.in({.seq = 1, .ack = 1, .len = 100, .stamp = 1000});
  script.read(100);
  script.drain();
  script.in({.seq = 101, .ack = 1, .len = 100, .stamp = 999});
  script.out({.flags = kAck, .ack = 101, .echo = 1000});
  EXPECT_EQ(script.transport->available(), 0u);
  // A reset is judged by its number alone, and one without a timestamp is dropped.
  script.stamps = false;
  script.in({.seq = 101, .ack = 1, .len = 100});
  EXPECT_EQ(script.transport->available(), 0u);
  script.in({.seq = 101, .ack = 1, .len = 100, .stamp = 1001});
  script.read(100);
  EXPECT_EQ(script.stack.counters().get(TcpCount::paws_drops), 2u);
}

// Whoever is in the window by luck, and does not know what we have sent, would otherwise make the peer old.
TEST(TcpReceive, A_time_is_believed_by_nobody_whose_acknowledgment_is_not) {
  PacketScript script;
  script.accept_connection(60000, true, true);
  script.in({.seq = 1, .ack = 0x40000000, .len = 100, .stamp = script.peer_stamp + 0x40000000});
  script.drain();
  script.in({.seq = 1, .ack = 1, .len = 100});
  EXPECT_EQ(script.stack.counters().get(TcpCount::paws_drops), 0u);
  script.read(100);
}

TEST(TcpReceive, A_timestamp_ahead_of_a_gap_does_not_make_the_gap_old) {
  PacketScript script;
  script.accept_connection(60000, true, true);
  script.in({.seq = 101, .ack = 1, .len = 100, .stamp = 2000});
  script.in({.seq = 1, .ack = 1, .len = 100, .stamp = 1500});
  script.read(200);
}

TEST(TcpReceive, Timestamps_wrap_and_grow_old) {
  PacketScript script;
  script.peer_stamp = 0xfffffff0u;
  script.accept_connection(60000, true, true);
  script.in({.seq = 1, .ack = 1, .len = 10, .stamp = 5});
  script.read(10);
  // Beyond 24 days of silence an older one is as good as any.
  TcpSettings quiet = script_settings();
  quiet.keepalive_idle_us = 0;
  PacketScript late(quiet);
  late.accept_connection(60000, true, true);
  late.pass(25 * 86400 * kSecond);
  late.in({.seq = 1, .ack = 1, .len = 10, .stamp = 3});
  late.read(10);
}

TEST(TcpReceive, A_closed_window_takes_acknowledgments_and_resets) {
  TcpSettings settings = script_settings();
  settings.receive_bytes = settings.most_receive_bytes = 8192;
  PacketScript script(settings);
  script.accept_connection();
  script.write(100);
  uint32_t at = 1;
  script.drain();
  for (int i = 0; i < 20; ++i) {
    script.in({.seq = at, .ack = 1, .len = 1000});
    const auto seen = script.drain();
    ASSERT_FALSE(seen.empty());
    at = seen.back().segment.acknowledgment - script.peer_first;
  }
  EXPECT_EQ(at, 1 + 8192 - 64u);
  // A probe of one byte is refused and answered; what it acknowledges counts.
  script.in({.seq = at, .ack = 101, .len = 1});
  script.out({.flags = kAck, .ack = at, .win = 0});
  EXPECT_EQ(script.transport->facts().unacknowledged, 0u);
  // Room is told at once when there is a segment's worth, and not before.
  script.read(8128);
  script.out({.flags = kAck, .ack = at});
  script.in({.flags = kRst, .seq = at});
  EXPECT_TRUE(script.transport->broken());
}

TEST(TcpReceive, Small_reads_open_no_silly_windows) {
  TcpSettings settings = script_settings();
  settings.receive_bytes = settings.most_receive_bytes = 8192;
  PacketScript script(settings);
  script.accept_connection();
  uint32_t at = 1;
  for (int i = 0; i < 9; ++i, at += 1000) script.in({.seq = at, .ack = 1, .len = 1000});
  script.drain();
  for (int i = 0; i < 1000; ++i) script.transport->release(1);
  script.nothing();
  for (int i = 0; i < 500; ++i) script.transport->release(1);
  EXPECT_EQ(script.drain().size(), 1u);
}

TEST(TcpReceive, Acknowledgments_wait_for_a_second_segment_or_a_moment) {
  PacketScript script;
  script.accept_connection();
  uint32_t at = 1;
  // The first ones at once, for slow start's sake.
  for (int i = 0; i < 20; ++i, at += 1460) script.in({.seq = at, .ack = 1, .len = 1460});
  script.drain();
  script.in({.seq = at, .ack = 1, .len = 1460});
  script.nothing();
  script.in({.seq = at + 1460, .ack = 1, .len = 1460});
  script.out({.flags = kAck, .ack = at + 2920});
  script.in({.seq = at + 2920, .ack = 1, .len = 10});
  script.nothing();
  script.pass(40 * kMs);
  script.out({.flags = kAck, .ack = at + 2930});
  // What we send carries it.
  script.in({.seq = at + 2930, .ack = 1, .len = 10});
  script.write(5);
  script.out({.flags = kAck, .ack = at + 2940, .len = 5});
  script.pass(50 * kMs);
  EXPECT_TRUE(script.sent.empty() || script.sent.front().segment.payload_size > 0);
}

TEST(TcpReceive, A_burst_is_acknowledged_once) {
  PacketScript script;
  script.accept_connection();
  for (uint32_t i = 0; i < 32; ++i) script.in_burst({.seq = 1 + 1000 * i, .ack = 1, .len = 1000});
  script.nothing();
  script.end_burst();
  script.out({.flags = kAck, .ack = 32001});
  script.nothing();
}

TEST(TcpReceive, Data_beyond_what_was_promised_is_cut) {
  TcpSettings settings = script_settings();
  settings.receive_bytes = settings.most_receive_bytes = 4096;
  PacketScript script(settings);
  script.accept_connection();
  for (uint32_t i = 0; i < 4; ++i) script.in({.seq = 1 + 1400 * i, .ack = 1, .len = 1400});
  script.read(4096 - 64);
}

TEST(TcpReceive, Keepalive_asks_and_gives_up_on_a_peer_that_is_gone) {
  TcpSettings settings = script_settings();
  settings.keepalive_idle_us = 10 * kSecond;
  settings.keepalive_interval_us = kSecond;
  settings.keepalive_probes = 3;
  PacketScript script(settings);
  script.accept_connection();
  script.pass(10 * kSecond);
  script.out({.flags = kAck, .seq = 0, .len = 0});
  script.in({.seq = 1, .ack = 1});
  script.pass(9 * kSecond);
  script.nothing();
  script.pass(6 * kSecond);
  EXPECT_EQ(script.transport->failure(), TcpEnd::timed_out);
  EXPECT_EQ(script.drain().size(), 4u) << "three questions and a reset";
}

TEST(TcpReceive, A_question_of_the_peer_is_answered) {
  PacketScript script;
  script.accept_connection();
  script.in({.seq = 0, .ack = 1});
  script.out({.flags = kAck, .seq = 1, .ack = 1});
}

TEST(TcpReceive, Segments_with_lengths_that_lie_are_dropped) {
  PacketScript script;
  script.accept_connection();
  std::vector<uint8_t> bytes(20);
  for (const uint8_t offset : std::initializer_list<uint8_t>{0x00, 0x40, 0x60, 0xf0}) {
    bytes[12] = offset;
    script.stack.on_segment({script.remote.address, script.local.address, bytes, {}, true}, script.now_us * 1000);
  }
  script.stack.on_segment({script.remote.address, script.local.address, std::span(bytes).first(7), {}, true},
                          script.now_us * 1000);
  EXPECT_EQ(script.stack.counters().get(TcpCount::malformed), 5u);
  bytes[12] = 0x50;
  script.stack.on_segment({script.remote.address, script.local.address, bytes}, script.now_us * 1000);
  EXPECT_EQ(script.stack.counters().get(TcpCount::bad_checksums), 1u);
}

}  // namespace
}  // namespace sluice::test
