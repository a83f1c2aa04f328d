// How connections begin and end, in all orders.
#include "tests/unit/netstack/packet_script.h"

namespace sluice::test {
namespace {

TEST(TcpHandshake, Options_of_a_syn_are_answered_with_ours) {
  PacketScript script;
  script.stack.listen(script.local, script);
  script.in({.flags = kSyn, .seq = 0, .win = 65535, .mss = 1460, .shift = 7, .sack_ok = true, .stamp = 77});
  script.out({.flags = kSyn | kAck, .seq = 0, .ack = 1, .mss = 1460, .shift = 10, .sack_ok = true, .echo = 77});
  EXPECT_EQ(script.stack.half_open(), 1u);
  EXPECT_EQ(script.accepted, 0u);
  script.in({.flags = kAck, .seq = 1, .ack = 1, .stamp = 78});
  EXPECT_EQ(script.accepted, 1u);
  EXPECT_EQ(script.stack.half_open(), 0u);
  EXPECT_EQ(script.stack.connections(), 1u);
}

TEST(TcpHandshake, A_peer_without_options_gets_none) {
  PacketScript script;
  script.stack.listen(script.local, script);
  script.in({.flags = kSyn, .seq = 0});
  const Seen seen = script.out({.flags = kSyn | kAck, .shift = -1, .sack_ok = false});
  EXPECT_FALSE(seen.segment.has_timestamps);
  script.in({.flags = kAck, .seq = 1, .ack = 1});
  script.write(2000);
  // RFC 9293 section 3.7.1: without the option no segment is larger.
  script.out({.seq = 1, .len = 536});
}

TEST(TcpHandshake, A_lost_syn_ack_is_sent_again_and_given_up_in_the_end) {
  PacketScript script;
  script.stack.listen(script.local, script);
  script.in({.flags = kSyn, .seq = 0, .mss = 1460});
  script.drain();
  script.pass(60 * kSecond);
  EXPECT_EQ(script.drain().size(), 4u);
  EXPECT_EQ(script.stack.half_open(), 0u);
}

TEST(TcpHandshake, A_syn_that_comes_again_is_answered_with_the_same_number) {
  PacketScript script;
  script.stack.listen(script.local, script);
  script.in({.flags = kSyn, .seq = 0, .mss = 1460});
  script.out({.flags = kSyn | kAck, .seq = 0, .ack = 1});
  script.pass(100 * kMs);
  script.in({.flags = kSyn, .seq = 0, .mss = 1460});
  script.out({.flags = kSyn | kAck, .seq = 0, .ack = 1});
  EXPECT_EQ(script.stack.half_open(), 1u);
}

TEST(TcpHandshake, Nobody_listening_is_said_by_a_reset) {
  PacketScript script;
  script.in({.flags = kSyn, .seq = 0});
  script.own_first = 0;
  script.out({.flags = kRst | kAck, .seq = 0, .ack = 1});
  script.in({.flags = kAck, .seq = 5, .ack = 77});
  script.out({.flags = kRst, .seq = 77});
  script.in({.flags = kRst, .seq = 5, .ack = 77});
  script.nothing();
}

TEST(TcpHandshake, A_connection_is_opened_by_us) {
  PacketScript script;
  script.connect();
  script.write(100);
  script.out({.flags = kAck, .seq = 1, .ack = 1, .len = 100});
  script.in({.seq = 1, .ack = 101, .len = 50});
  script.read(50);
}

TEST(TcpHandshake, A_lost_syn_is_sent_again_at_growing_intervals_and_given_up) {
  PacketScript script;
  script.transport = script.stack.connect(script.endpoints(), script.now_us * 1000);
  script.pass(200 * kSecond);
  const auto seen = script.drain();
  ASSERT_EQ(seen.size(), 6u);
  for (size_t i = 2; i < seen.size(); ++i) {
    EXPECT_NEAR(static_cast<double>(seen[i].at_us - seen[i - 1].at_us),
                2.0 * static_cast<double>(seen[i - 1].at_us - seen[i - 2].at_us), 1000);
  }
  EXPECT_TRUE(script.transport->broken());
  EXPECT_EQ(script.transport->failure(), TcpEnd::timed_out);
}

TEST(TcpHandshake, A_refused_connection_says_so) {
  PacketScript script;
  script.transport = script.stack.connect(script.endpoints(), script.now_us * 1000);
  script.drain();
  // A reset that acknowledges nothing of ours could be anybody's.
  script.in({.flags = kRst, .seq = 0});
  EXPECT_FALSE(script.transport->broken());
  script.in({.flags = kRst | kAck, .seq = 0, .ack = 5});
  EXPECT_FALSE(script.transport->broken());
  script.in({.flags = kRst | kAck, .seq = 0, .ack = 1});
  EXPECT_EQ(script.transport->failure(), TcpEnd::refused);
}

TEST(TcpHandshake, A_host_that_says_no_by_icmp_is_believed_during_the_handshake_only) {
  PacketScript script;
  script.transport = script.stack.connect(script.endpoints(), script.now_us * 1000);
  script.drain();
  script.stack.on_notice(script.notice(SegmentNotice::Kind::unreachable, 99, 0, true), script.now_us * 1000);
  EXPECT_FALSE(script.transport->broken()) << "of a segment that we never sent";
  script.stack.on_notice(script.notice(SegmentNotice::Kind::unreachable, 0, 0, true), script.now_us * 1000);
  EXPECT_EQ(script.transport->failure(), TcpEnd::refused);

  PacketScript open;
  open.connect();
  open.write(10);
  open.stack.on_notice(open.notice(SegmentNotice::Kind::unreachable, 1, 0, true), open.now_us * 1000);
  EXPECT_FALSE(open.transport->broken());
}

TEST(TcpHandshake, Both_ends_may_open_at_once) {
  PacketScript script;
  script.transport = script.stack.connect(script.endpoints(), script.now_us * 1000);
  script.out({.flags = kSyn, .seq = 0});
  script.in({.flags = kSyn, .seq = 0, .mss = 1460, .sack_ok = true});
  script.out({.flags = kSyn | kAck, .seq = 0, .ack = 1});
  EXPECT_TRUE(script.transport->connecting());
  // Of what it did not hear, or of what it has not heard: no answer to ours.
  script.in({.flags = kSyn | kAck, .seq = 0, .ack = 2, .mss = 1460});
  script.in({.flags = kSyn | kAck, .seq = 1000, .ack = 1, .mss = 1460});
  EXPECT_TRUE(script.transport->connecting());
  script.drain();
  script.in({.flags = kSyn | kAck, .seq = 0, .ack = 1, .mss = 1460});
  EXPECT_FALSE(script.transport->connecting());
  script.out({.flags = kAck, .seq = 1, .ack = 1});
  script.write(10);
  script.out({.flags = kAck, .seq = 1, .len = 10});
}

TEST(TcpHandshake, An_acknowledgment_of_nothing_of_ours_is_reset) {
  PacketScript script;
  script.stack.listen(script.local, script);
  script.in({.flags = kSyn, .seq = 0});
  script.drain();
  script.in({.flags = kAck, .seq = 1, .ack = 77});
  script.out({.flags = kRst, .seq = 77});
  EXPECT_EQ(script.accepted, 0u);
  script.in({.flags = kAck, .seq = 1, .ack = 1});
  EXPECT_EQ(script.accepted, 1u);
}

TEST(TcpHandshake, Data_behind_the_last_acknowledgment_is_taken) {
  PacketScript script;
  script.stack.listen(script.local, script);
  script.in({.flags = kSyn, .seq = 0, .mss = 1460});
  script.drain();
  script.in({.flags = kAck, .seq = 1, .ack = 1, .len = 300});
  script.read(300);
  script.out({.ack = 301});
}

TEST(TcpHandshake, Version_6_has_longer_headers_and_the_same_rest) {
  PacketScript script;
  script.local.address = *IpAddress::parse("2001:db8::1");
  script.remote.address = *IpAddress::parse("2001:db8::2");
  script.stack.listen({IpAddress{{}, true}, 22}, script);
  script.in({.flags = kSyn, .seq = 0, .mss = 1460, .sack_ok = true});
  script.out({.flags = kSyn | kAck, .seq = 0, .ack = 1, .mss = 1440});
  script.in({.flags = kAck, .seq = 1, .ack = 1, .len = 100});
  script.read(100);
  script.drain();
  script.write(3000);
  script.out({.seq = 1, .len = 1440});
  EXPECT_EQ(script.transport->endpoints(), script.endpoints());
  // The other family's listener is another one.
  script.remote.port = 7;
  script.local.port = 23;
  script.own_first = 0;
  script.drain();
  script.in({.flags = kSyn, .seq = 0});
  script.out({.flags = kRst | kAck});
}

TEST(TcpHandshake, Initial_numbers_differ_by_peer_and_grow_with_time) {
  PacketScript script;
  script.stack.listen(script.local, script);
  script.in({.flags = kSyn, .seq = 0});
  const uint32_t first = script.drain().at(0).segment.sequence;
  script.remote.port = 40001;
  script.in({.flags = kSyn, .seq = 0});
  EXPECT_GT(script.drain().at(0).segment.sequence - first, 100u);
  PacketScript later;
  later.now_us += kSecond;
  later.stack.listen(later.local, later);
  later.in({.flags = kSyn, .seq = 0});
  EXPECT_NEAR(static_cast<double>(later.drain().at(0).segment.sequence - first), 250000, 10);
}

TEST(TcpClose, We_close_first_and_wait) {
  PacketScript script;
  script.accept_connection();
  script.transport->close_sending();
  script.out({.flags = kFin | kAck, .seq = 1});
  script.in({.seq = 1, .ack = 2, .len = 100});
  EXPECT_EQ(script.transport->facts().state, TcpState::fin_wait_2);
  script.read(100);
  script.in({.flags = kFin | kAck, .seq = 101, .ack = 2});
  EXPECT_TRUE(script.transport->ended());
  EXPECT_FALSE(script.transport->broken());
  EXPECT_EQ(script.stack.time_waits(), 1u);
  script.drain();
  // Its acknowledgment was lost: the FIN again, and again an answer.
  script.in({.flags = kFin | kAck, .seq = 101, .ack = 2});
  script.out({.flags = kAck, .seq = 2, .ack = 102});
  script.pass(61 * kSecond);
  EXPECT_EQ(script.stack.time_waits(), 0u);
}

TEST(TcpClose, The_peer_closes_first_and_half_a_connection_still_sends) {
  PacketScript script;
  script.accept_connection();
  script.in({.flags = kFin | kAck, .seq = 1, .ack = 1, .len = 10});
  script.out({.flags = kAck, .ack = 12});
  EXPECT_TRUE(script.transport->ended());
  script.read(10);
  script.write(500);
  script.out({.flags = kAck, .seq = 1, .len = 500});
  script.in({.seq = 12, .ack = 501});
  script.transport->close_sending();
  script.out({.flags = kFin | kAck, .seq = 501});
  EXPECT_EQ(script.transport->facts().state, TcpState::last_ack);
  script.in({.seq = 12, .ack = 502});
  EXPECT_EQ(script.transport->failure(), TcpEnd::closed);
  EXPECT_EQ(script.stack.time_waits(), 0u);
}

TEST(TcpClose, Both_close_at_once) {
  PacketScript script;
  script.accept_connection();
  script.transport->close_sending();
  script.out({.flags = kFin | kAck, .seq = 1});
  script.in({.flags = kFin | kAck, .seq = 1, .ack = 1});
  script.out({.flags = kAck, .seq = 2, .ack = 2});
  EXPECT_EQ(script.transport->facts().state, TcpState::closing);
  script.in({.seq = 2, .ack = 2});
  EXPECT_EQ(script.stack.time_waits(), 1u);
}

TEST(TcpClose, A_fin_before_its_data_ends_the_stream_when_the_data_has_come) {
  PacketScript script;
  script.accept_connection();
  script.in({.flags = kFin | kAck, .seq = 101, .ack = 1, .len = 100});
  script.out({.flags = kAck, .ack = 1});
  EXPECT_FALSE(script.transport->ended());
  script.in({.seq = 1, .ack = 1, .len = 100});
  script.out({.flags = kAck, .ack = 202});
  EXPECT_TRUE(script.transport->ended());
  script.read(200);
}

TEST(TcpClose, What_was_committed_is_delivered_after_its_owner_has_gone) {
  PacketScript script;
  script.accept_connection(1000);
  script.write(3000);
  script.transport.reset();
  script.out({.seq = 1, .len = 1000});
  script.nothing();
  script.in({.seq = 1, .ack = 1001, .win = 60000});
  script.out({.seq = 1001, .len = 1460});
  script.out({.seq = 2461, .len = 540});
  script.out({.flags = kFin | kAck, .seq = 3001});
  script.in({.seq = 1, .ack = 3002, .len = 0});
  // What the peer says now nobody hears.
  script.in({.seq = 1, .ack = 3002, .len = 10});
  script.out({.flags = kRst | kAck});
  EXPECT_EQ(script.stack.connections(), 0u);
  EXPECT_EQ(script.stack.memory_in_use(), 0u);
}

TEST(TcpClose, An_abandoned_connection_ends_in_time_whatever_the_peer_does) {
  PacketScript script;
  script.accept_connection();
  script.transport.reset();
  script.drain();
  script.in({.seq = 1, .ack = 2});
  script.pass(61 * kSecond);
  EXPECT_EQ(script.stack.connections(), 0u);
}

TEST(TcpClose, Time_wait_lets_a_later_connection_in_and_no_earlier_one) {
  PacketScript script;
  script.accept_connection();
  script.transport->close_sending();
  script.in({.flags = kFin | kAck, .seq = 1, .ack = 2});
  ASSERT_EQ(script.stack.time_waits(), 1u);
  const uint32_t old = script.own(2);
  script.drain();
  script.in({.flags = kSyn, .seq = 0});
  script.out({.flags = kAck, .seq = 2, .ack = 2});
  script.in({.flags = kRst, .seq = 2});
  EXPECT_EQ(script.stack.time_waits(), 1u) << "RFC 1337";
  script.pass(kSecond);
  script.in({.flags = kSyn, .seq = 50});
  EXPECT_EQ(script.stack.time_waits(), 0u);
  const Seen seen = script.out({.flags = kSyn | kAck, .ack = 51});
  EXPECT_GT(static_cast<int32_t>(seen.segment.sequence - old), 0);
}

TEST(TcpClose, Time_waits_beyond_their_number_push_out_the_oldest) {
  TcpSettings settings = script_settings();
  settings.most_time_waits = 4;
  PacketScript script(settings);
  script.stack.listen(script.local, script);
  for (uint16_t i = 0; i < 10; ++i) {
    script.remote.port = static_cast<uint16_t>(41000 + i);
    script.own_known = false;
    script.in({.flags = kSyn, .seq = 0});
    script.in({.flags = kAck, .seq = 1, .ack = 1});
    script.transport->close_sending();
    script.in({.flags = kFin | kAck, .seq = 1, .ack = 2});
    script.drain();
  }
  EXPECT_EQ(script.stack.time_waits(), 4u);
  script.transport.reset();
  script.end_burst();
  EXPECT_EQ(script.stack.connections(), 0u);
}

}  // namespace
}  // namespace sluice::test
