// Recovery where several things are under way at once: what belongs to which loss, and when a timeout is due.
#include "tests/unit/netstack/packet_script.h"

namespace sluice::test {
namespace {

using Blocks = std::vector<SackBlock>;

// A connection whose round trip is known. Segments of 1,448 bytes, which is what timestamps leave; place N begins the
// N-th behind those that told.
struct LongPath : PacketScript {
  static constexpr uint32_t kRounds = 30;

  explicit LongPath(uint64_t rtt) {
    accept_connection(60000, true, true);
    for (uint32_t i = 0; i < kRounds; ++i) {
      write(1448);
      drain();
      pass(rtt);
      in({.seq = 1, .ack = 1 + 1448 * (i + 1), .echo = last_own_stamp});
    }
    drain();
    probes = counted(TcpCount::tail_probes);
    timeouts = transport->facts().timeouts;
  }
  static uint32_t place(uint32_t n) { return 1 + 1448 * (kRounds + n); }
  uint64_t counted(TcpCount what) const { return stack.counters().get(what); }
  // The first of what has been sent.
  uint32_t first_sent() {
    const auto all = drain();
    return all.empty() ? 0 : all.front().segment.sequence - own(0);
  }

  uint64_t probes = 0;
  uint64_t timeouts = 0;
};

TEST(TcpRecovery, A_hole_that_was_sent_again_before_undoes_no_later_recovery) {
  LongPath script(100 * kMs);
  script.write(1448 * 60);
  ASSERT_EQ(script.drain().size(), 10u);
  const uint32_t first = script.last_own_stamp;
  script.pass(100 * kMs);
  // The first is lost, and of what leaves beside its retransmission the first again: beyond where this recovery ends.
  script.in({.seq = 1, .ack = script.place(0), .echo = first, .sacks = Blocks{{script.place(1), script.place(10)}}});
  ASSERT_EQ(script.first_sent(), script.place(0));
  const uint32_t second = script.last_own_stamp;
  script.pass(50 * kMs);
  script.write(1448 * 2);
  script.drain();
  script.pass(50 * kMs);
  script.in({.seq = 1,
             .ack = script.place(0),
             .echo = first,
             .sacks = Blocks{{script.place(11), script.place(13)}, {script.place(1), script.place(10)}}});
  const auto sent = script.drain();
  // Place 0 is lost once more, and place 10 with it: both go again, in one recovery.
  ASSERT_GE(sent.size(), 2u);
  EXPECT_EQ(sent[0].segment.sequence, script.own(script.place(0)));
  EXPECT_EQ(sent[1].segment.sequence, script.own(script.place(10)));
  const uint32_t third = script.last_own_stamp;
  script.pass(20 * kMs);
  // The first retransmission of place 0 was late and not lost, and ends the recovery. Another one begins, for what is
  // lost behind place 10, which is still on its way.
  script.in({.seq = 1, .ack = script.place(10), .echo = second, .sacks = Blocks{{script.place(11), script.place(13)}}});
  script.drain();
  script.pass(20 * kMs);
  script.in({.seq = 1,
             .ack = script.place(10),
             .echo = second,
             .sacks = Blocks{{script.place(14), script.place(16)}, {script.place(11), script.place(13)}}});
  ASSERT_EQ(script.first_sent(), script.place(13));
  EXPECT_EQ(script.counted(TcpCount::fast_recoveries), 2u);
  // Its answer is older than what this recovery has sent again, and proves nothing about it.
  script.pass(60 * kMs);
  script.in({.seq = 1, .ack = script.place(13), .echo = third, .sacks = Blocks{{script.place(14), script.place(16)}}});
  EXPECT_EQ(script.counted(TcpCount::spurious_recoveries), 0u);
}

// Of a whole window only one acknowledgment comes, a round trip later, and it moves nothing: the first was lost.
TEST(TcpRecovery, A_hole_in_front_that_was_sent_again_has_a_timeout_of_its_own) {
  LongPath script(150 * kMs);
  script.write(1448 * 60);
  ASSERT_EQ(script.drain().size(), 10u);
  script.pass(150 * kMs);
  script.in({.seq = 1, .ack = script.place(0), .sacks = Blocks{{script.place(1), script.place(10)}}});
  ASSERT_EQ(script.first_sent(), script.place(0));
  const uint64_t rto = script.transport->facts().rto_us;
  script.pass(rto - kMs);
  EXPECT_EQ(script.transport->facts().timeouts, script.timeouts);
  script.pass(2 * kMs);
  EXPECT_EQ(script.transport->facts().timeouts, script.timeouts + 1);
}

TEST(TcpRecovery, A_timeout_on_a_long_path_leaves_a_tail_probe_its_turn) {
  LongPath script(100 * kMs);
  script.write(2896);
  ASSERT_EQ(script.drain().size(), 2u);
  script.pass(250 * kMs);
  EXPECT_EQ(script.counted(TcpCount::tail_probes), script.probes + 1);
  EXPECT_EQ(script.transport->facts().timeouts, script.timeouts);
}

}  // namespace
}  // namespace sluice::test
