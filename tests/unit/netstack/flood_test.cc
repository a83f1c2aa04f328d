// Strangers who open and never finish, and the honest ones who get in all the same.
#include <set>

#include "tests/unit/netstack/packet_script.h"

namespace sluice::test {
namespace {

TcpSettings small_backlog() {
  TcpSettings settings = script_settings();
  settings.syn_backlog = 8;
  return settings;
}

void flood(PacketScript& script, int n) {
  const uint16_t port = script.remote.port;
  for (int i = 0; i < n; ++i) {
    script.remote.port = static_cast<uint16_t>(1000 + i);
    script.in({.flags = kSyn, .seq = 0, .mss = 1460});
  }
  script.remote.port = port;
  script.drain();
  script.own_known = false;
}

TEST(TcpFlood, An_honest_peer_gets_in_with_all_its_options) {
  PacketScript script(small_backlog());
  script.stack.listen(script.local, script);
  flood(script, 100);
  EXPECT_EQ(script.stack.half_open(), 8u);
  script.stamps = true;
  script.in({.flags = kSyn, .seq = 0, .win = 1000, .mss = 1460, .shift = 9, .sack_ok = true});
  script.out({.flags = kSyn | kAck, .seq = 0, .ack = 1, .mss = 1460, .sack_ok = true});
  script.pass(30 * kMs);
  script.in({.flags = kAck, .seq = 1, .ack = 1, .win = 100});
  ASSERT_EQ(script.accepted, 1u);
  const TcpConnectionFacts facts = script.transport->facts();
  EXPECT_TRUE(facts.sack);
  EXPECT_TRUE(facts.timestamps);
  EXPECT_EQ(facts.peer_shift, 9);
  EXPECT_EQ(facts.peer_window, 100u << 9);
  EXPECT_EQ(facts.mss, 1448u);
  script.in({.seq = 1, .ack = 1, .len = 100});
  script.read(100);
}

TEST(TcpFlood, A_peer_without_timestamps_gets_in_with_less) {
  PacketScript script(small_backlog());
  script.stack.listen(script.local, script);
  flood(script, 20);
  script.in({.flags = kSyn, .seq = 0, .mss = 1400, .shift = 9, .sack_ok = true});
  script.out({.flags = kSyn | kAck, .seq = 0, .ack = 1, .shift = -1, .sack_ok = false});
  script.in({.flags = kAck, .seq = 1, .ack = 1, .win = 100, .len = 40});
  ASSERT_EQ(script.accepted, 1u);
  EXPECT_EQ(script.transport->facts().mss, 1360u);
  EXPECT_EQ(script.transport->facts().peer_window, 100u);
  script.read(40);
}

TEST(TcpFlood, A_cookie_is_good_for_its_own_peer_and_for_a_while_only) {
  PacketScript script(small_backlog());
  script.stack.listen(script.local, script);
  flood(script, 20);
  script.in({.flags = kSyn, .seq = 0, .mss = 1400});
  script.out({.flags = kSyn | kAck, .seq = 0, .ack = 1});
  script.remote.port = 999;
  script.in({.flags = kAck, .seq = 1, .ack = 1});
  script.out({.flags = kRst});
  script.remote.port = 40000;
  script.in({.flags = kAck, .seq = 1, .ack = 2});
  script.out({.flags = kRst});
  script.in({.flags = kAck, .seq = 2, .ack = 1});
  script.out({.flags = kRst});
  EXPECT_EQ(script.accepted, 0u);
  script.pass(130 * kSecond);
  script.drain();
  flood(script, 20);
  script.own_known = true;
  script.in({.flags = kAck, .seq = 1, .ack = 1});
  script.out({.flags = kRst});
  EXPECT_EQ(script.accepted, 0u);
}

TEST(TcpFlood, Guessed_cookies_open_nothing) {
  PacketScript script(small_backlog());
  script.stack.listen(script.local, script);
  flood(script, 20);
  for (uint32_t i = 0; i < 100000; ++i) script.in({.flags = kAck, .seq = 1, .ack = i * 40503});
  EXPECT_EQ(script.accepted, 0u);
  EXPECT_LE(script.drain().size(), 1001u) << "answers to strangers have a limit";
}

// A limit that is known tells who takes part in it, and so who has a connection and is answered by that.
TEST(TcpFlood, Resets_to_strangers_have_a_limit_that_nobody_knows) {
  PacketScript script;
  script.in({.flags = kSyn, .seq = 0});
  script.drain();
  std::set<size_t> seen;
  for (int round = 0; round < 20; ++round) {
    script.pass(200 * kMs);
    for (int i = 0; i < 2000; ++i) script.in({.flags = kAck, .seq = 5, .ack = 77});
    const size_t answers = script.drain().size();
    EXPECT_GT(answers, 500u);
    EXPECT_LE(answers, 1000u);
    seen.insert(answers);
  }
  EXPECT_GT(seen.size(), 10u);
}

TEST(TcpFlood, The_backlog_empties_by_itself) {
  PacketScript script(small_backlog());
  script.stack.listen(script.local, script);
  flood(script, 20);
  script.pass(60 * kSecond);
  EXPECT_EQ(script.stack.half_open(), 0u);
}

TEST(TcpFlood, Memory_has_an_end_and_says_so_by_a_reset) {
  TcpSettings settings = script_settings();
  settings.memory_budget = 5 * (settings.send_bytes + settings.receive_bytes);
  PacketScript script(settings);
  script.stack.listen(script.local, script);
  std::vector<std::unique_ptr<TcpTransport>> kept;
  for (uint16_t i = 0; i < 8; ++i) {
    script.remote.port = static_cast<uint16_t>(2000 + i);
    script.own_known = false;
    script.in({.flags = kSyn, .seq = 0});
    script.drain();
    script.in({.flags = kAck, .seq = 1, .ack = 1});
    if (script.transport) kept.push_back(std::move(script.transport));
  }
  EXPECT_EQ(kept.size(), 5u);
  script.out({.flags = kRst});
  EXPECT_EQ(script.stack.counters().get(TcpCount::memory_refused), 3u);
  EXPECT_EQ(script.stack.connect({{}, {script.remote.address, 5}}, script.now_us * 1000), nullptr);
}

TEST(TcpFlood, Connections_have_a_number) {
  TcpSettings settings = script_settings();
  settings.most_connections = 3;
  PacketScript script(settings);
  script.stack.listen(script.local, script);
  std::vector<std::unique_ptr<TcpTransport>> kept;
  for (uint16_t i = 0; i < 6; ++i) {
    script.remote.port = static_cast<uint16_t>(2000 + i);
    script.own_known = false;
    script.in({.flags = kSyn, .seq = 0});
    if (script.drain().empty()) continue;
    script.in({.flags = kAck, .seq = 1, .ack = 1});
    kept.push_back(std::move(script.transport));
  }
  EXPECT_EQ(script.stack.connections(), 3u);
  kept.clear();
  script.pass(61 * kSecond);
  EXPECT_EQ(script.stack.connections(), 0u);
}

}  // namespace
}  // namespace sluice::test
