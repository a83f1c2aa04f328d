// Two stacks over bad paths: every byte arrives once, in order and unchanged, whatever the path does.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "tests/unit/netstack/packet_script.h"
#include "tests/unit/netstack/simulated_link.h"

namespace sluice::test {
namespace {

#ifdef __SANITIZE_ADDRESS__
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

struct Pair {
  std::unique_ptr<TcpTransport> client;
  std::unique_ptr<TcpTransport> server;
};

std::string text_of(const TcpConnectionFacts& facts) {
  return std::string(kTcpStateNames[static_cast<size_t>(facts.state)]) + " mss " + std::to_string(facts.mss) +
         " cwnd " + std::to_string(facts.cwnd) + " in flight " + std::to_string(facts.in_flight) + " unacknowledged " +
         std::to_string(facts.unacknowledged) + " window " + std::to_string(facts.peer_window) + ", ours " +
         std::to_string(facts.receive_window) + " unread " + std::to_string(facts.received_unread) + " rto " +
         std::to_string(facts.rto_us) + " timeouts " + std::to_string(facts.timeouts) + (facts.sack ? " sack" : "") +
         (facts.timestamps ? " timestamps\n" : "\n");
}

Pair open_pair(SimulatedLink& link) {
  Pair out;
  link.b().stack->listen({IpAddress{}, 22}, link.b());
  out.client = link.a().stack->connect({{}, {link.b().address, 22}}, link.now_us * 1000);
  const bool open = link.run(
      120 * kSecond, [&] { return out.client->broken() || (!link.b().accepted.empty() && !out.client->connecting()); });
  EXPECT_TRUE(open);
  if (link.b().accepted.empty()) return out;
  out.server = std::move(link.b().accepted.front());
  link.b().accepted.clear();
  return out;
}

void run_bad_path(uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  CheapRandom random(seed);
  TcpSettings settings = script_settings();
  settings.send_bytes = size_t{64} << (10 + random.below(3));
  settings.most_send_bytes = settings.send_bytes << random.below(3);
  settings.receive_bytes = size_t{64} << 10;
  settings.most_receive_bytes = settings.receive_bytes << random.below(4);
  settings.timestamps = random.below(4) != 0;
  settings.sack = random.below(4) != 0;
  settings.window_scaling = random.below(4) != 0;
  settings.paced_from_us = std::array<uint64_t, 3>{0, 5'000, UINT64_MAX}[random.below(3)];
  LinkPath path;
  path.delay_us = random.below(3) == 0 ? random.below(50'000) : random.below(500);
  path.rate = random.below(2) == 0 ? 0 : 200'000 + random.below(20'000'000);
  path.queue = 8000 + random.below(200'000);
  path.loss = random.below(3) == 0 ? 0 : static_cast<double>(random.below(100)) / 1000;
  path.reorder = random.below(3) == 0 ? 0 : static_cast<double>(random.below(300)) / 1000;
  path.reorder_us = 1 + random.below(5000);
  path.duplicate = static_cast<double>(random.below(50)) / 1000;
  path.corrupt = static_cast<double>(random.below(30)) / 1000;
  path.mtu = 600 + random.below(3) * 450;
  path.most_payload = random.below(2) == 0 ? 0 : 65000;
  SimulatedLink link(path, seed, settings);
  Pair pair = open_pair(link);
  ASSERT_NE(pair.server, nullptr);
  const size_t total = 20'000 + random.below(400'000);
  CheckedStream up(*pair.client, *pair.server, total, seed);
  CheckedStream down(*pair.server, *pair.client, total / 3, seed + 1);
  const bool done = link.run(3000 * kSecond, [&] {
    up.step(&random);
    down.step(&random);
    if (!up.right() || !down.right() || pair.client->broken() || pair.server->broken()) return true;
    return up.done() && down.done();
  });
  ASSERT_TRUE(up.right() && down.right()) << "bytes differ";
  ASSERT_FALSE(pair.client->broken()) << kTcpEndNames[static_cast<size_t>(pair.client->failure())];
  ASSERT_FALSE(pair.server->broken()) << kTcpEndNames[static_cast<size_t>(pair.server->failure())];
  ASSERT_TRUE(done && up.done() && down.done())
      << up.received() << " and " << down.received() << " of " << total << "\n"
      << text_of(pair.client->facts()) << text_of(pair.server->facts());
  // The end: either first, and both know.
  (random.below(2) == 0 ? pair.client : pair.server)->close_sending();
  ASSERT_TRUE(link.run(500 * kSecond, [&] { return pair.client->ended() || pair.server->ended(); }));
  pair.client.reset();
  pair.server.reset();
  link.run(600 * kSecond, [&] { return false; });
  EXPECT_EQ(link.a().stack->connections() + link.b().stack->connections(), 0u);
  EXPECT_EQ(link.a().stack->memory_in_use() + link.b().stack->memory_in_use(), 0u);
}

TEST(TcpLink, Every_byte_arrives_over_bad_paths) {
  uint64_t first = 1;
  uint64_t seeds = std::getenv("SLUICE_TEST_FULL") != nullptr ? 5000 : 300;
  if (const char* one = std::getenv("SLUICE_TEST_SEED_OF_LINK")) {
    first = std::strtoull(one, nullptr, 10);
    seeds = 1;
  }
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    run_bad_path(seed);
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(TcpLink, A_thousand_connections_come_and_go_and_leave_nothing) {
  TcpSettings settings = script_settings();
  settings.send_bytes = settings.most_send_bytes = 16384;
  settings.receive_bytes = settings.most_receive_bytes = 16384;
  settings.syn_backlog = 1200;  // a cookie whose acknowledgment is lost waits for the client to speak first
  LinkPath path;
  path.delay_us = kMs;
  path.loss = 0.02;
  path.reorder = 0.05;
  SimulatedLink link(path, 11, settings);
  CheapRandom random(12);
  link.b().stack->listen({IpAddress{}, 22}, link.b());
  constexpr size_t kConnections = kSanitized ? 200 : 1000;
  std::vector<std::unique_ptr<TcpTransport>> clients;
  for (size_t i = 0; i < kConnections; ++i) {
    clients.push_back(link.a().stack->connect({{}, {link.b().address, 22}}, link.now_us * 1000));
    ASSERT_NE(clients.back(), nullptr);
  }
  ASSERT_TRUE(link.run(120 * kSecond, [&] { return link.b().accepted.size() == kConnections; }))
      << link.b().accepted.size();
  // Whom the server has, it knows by his port.
  std::vector<CheckedStream> streams;
  for (auto& client : clients) {
    const auto server = std::find_if(link.b().accepted.begin(), link.b().accepted.end(), [&](const auto& each) {
      return each->endpoints().remote == client->endpoints().local;
    });
    ASSERT_NE(server, link.b().accepted.end());
    streams.emplace_back(*client, **server, 1000 + random.below(20000), random.next());
  }
  const bool done = link.run(200 * kSecond, [&] {
    bool all = true;
    for (CheckedStream& stream : streams) {
      if (!stream.done()) stream.step();
      all &= stream.done() && stream.right();
    }
    return all;
  });
  EXPECT_TRUE(done);
  for (const CheckedStream& stream : streams) ASSERT_TRUE(stream.right() && stream.done()) << stream.received();
  // Either side first, gracefully or not, by chance.
  for (size_t i = 0; i < kConnections; ++i) {
    auto& transport = random.below(2) == 0 ? clients[i] : link.b().accepted[random.below(kConnections)];
    if (!transport) continue;
    if (random.below(3) == 0) transport->abort();
    if (random.below(2) == 0) transport.reset();
  }
  link.run(5 * kSecond, [] { return false; });
  clients.clear();
  link.b().accepted.clear();
  link.run(300 * kSecond, [] { return false; });
  for (const SimulatedLink::End* end : {&link.a(), &link.b()}) {
    EXPECT_EQ(end->stack->connections() + end->stack->time_waits() + end->stack->half_open(), 0u);
    EXPECT_EQ(end->stack->memory_in_use(), 0u);
  }
}

// Bytes a second over so many bytes, from the first one sent.
double throughput(const LinkPath& path, size_t total, TcpSettings settings = script_settings()) {
  settings.most_send_bytes = size_t{32} << 20;
  SimulatedLink link(path, 7, settings);
  Pair pair = open_pair(link);
  CheckedStream stream(*pair.client, *pair.server, total, 3);
  const uint64_t begin = link.now_us;
  link.run(2000 * kSecond, [&] {
    stream.step();
    return stream.done();
  });
  EXPECT_TRUE(stream.done());
  EXPECT_TRUE(stream.right());
  if (std::getenv("SLUICE_TEST_SHOW") != nullptr) {
    const TcpConnectionFacts facts = pair.client->facts();
    const TcpCounters& counters = link.a().stack->counters();
    std::printf(
        "delay %lu loss %.3f: %.2f MB/s cwnd %zu ssthresh %zu srtt %lu least %lu retransmits %lu timeouts %lu "
        "recoveries %lu spurious %lu probes %lu dropped %lu\n",
        path.delay_us, path.loss, static_cast<double>(total) / static_cast<double>(link.now_us - begin), facts.cwnd,
        facts.ssthresh, facts.srtt_us, facts.least_rtt_us, facts.retransmits, facts.timeouts,
        counters.get(TcpCount::fast_recoveries), counters.get(TcpCount::spurious_recoveries),
        counters.get(TcpCount::tail_probes), link.dropped);
  }
  return static_cast<double>(total) * 1e6 / static_cast<double>(link.now_us - begin);
}

TEST(TcpLink, A_clean_path_is_filled) {
  for (const uint64_t delay : {uint64_t{50}, 5 * kMs, 50 * kMs}) {
    LinkPath path;
    path.delay_us = delay;
    path.rate = 50'000'000;
    path.queue = 5'000'000;
    // Of which a second is slow start where the path is long.
    const double got = throughput(path, size_t{delay > 10 * kMs ? 300u : 100u} << 20);
    EXPECT_GT(got, 0.8 * 50e6) << delay;
  }
}

TEST(TcpLink, Loss_costs_no_more_than_congestion_control_must_take) {
  for (const double loss : {0.001, 0.01}) {
    for (const uint64_t delay : {uint64_t{50}, 5 * kMs, 50 * kMs}) {
      LinkPath path;
      path.delay_us = delay;
      path.rate = 50'000'000;
      path.queue = 5'000'000;
      path.loss = loss;
      const size_t total = size_t{delay > 10 * kMs ? 10u : 50u} << 20;
      const double got = throughput(path, total);
      // RFC 9438 section 5.1: the larger of CUBIC's own and Reno's average window.
      const double rtt = static_cast<double>(2 * delay) / 1e6 + 1e-4;
      const double reno = 1.22 / std::sqrt(loss);
      const double cubic = 1.17 * std::pow(rtt, 0.75) / std::pow(loss, 0.75) * std::pow(1 / 0.4, -0.25);
      const double expected = std::min(std::max(reno, cubic) * 1448 / rtt, 50e6 * 0.95);
      EXPECT_GT(got, 0.7 * expected) << "loss " << loss << " delay " << delay << ", expected " << expected;
    }
  }
}

TEST(TcpLink, Reordering_alone_is_no_loss) {
  LinkPath path;
  path.delay_us = 5 * kMs;
  path.rate = 20'000'000;
  path.queue = 2'000'000;
  path.reorder = 0.05;
  path.reorder_us = 2 * kMs;
  EXPECT_GT(throughput(path, size_t{40} << 20), 0.7 * 20e6);
}

TEST(TcpLink, A_path_that_swallows_large_packets_is_found_out) {
  for (const bool announce : {false, true}) {
    LinkPath path;
    path.delay_us = 5 * kMs;
    path.black_hole = 1280;
    path.announce = announce;
    SimulatedLink link(path, 1, script_settings());
    Pair pair = open_pair(link);
    CheckedStream stream(*pair.client, *pair.server, size_t{4} << 20, 3);
    const uint64_t begin = link.now_us;
    EXPECT_TRUE(link.run(30 * kSecond, [&] {
      stream.step();
      return stream.done();
    })) << announce;
    EXPECT_TRUE(stream.right());
    if (announce) {
      EXPECT_EQ(pair.client->facts().mss, 1228u);
      EXPECT_LT(link.now_us - begin, kSecond);
    } else {
      EXPECT_EQ(link.a().stack->counters().get(TcpCount::black_holes), 1u);
    }
  }
}

TEST(TcpLink, The_window_grows_as_far_as_the_path_needs_and_the_budget_allows) {
  LinkPath path;
  path.delay_us = 25 * kMs;
  path.rate = 200'000'000;
  path.queue = 10'000'000;
  TcpSettings settings = script_settings();
  EXPECT_GT(throughput(path, size_t{300} << 20, settings), 100e6);
  // 1 MiB in 50 ms is all that there may be.
  settings.memory_budget = size_t{2} << 20;
  const double bounded = throughput(path, size_t{40} << 20, settings);
  EXPECT_LT(bounded, 22e6);
  EXPECT_GT(bounded, 15e6);
}

// Half of the sequence space, and with SLUICE_TEST_FULL all of it.
TEST(TcpLink, Long_streams_pass_every_sequence_number) {
  LinkPath path;
  path.delay_us = 50;
  path.mtu = 65000;
  const bool full = std::getenv("SLUICE_TEST_FULL") != nullptr;
  EXPECT_GT(throughput(path, size_t{full ? 5000u : 2100u} << 20), 1e9);
}

// Larger than what is handed down in one piece where it is cut below.
TEST(TcpLink, Segments_as_large_as_ip_allows_flow) {
  for (const uint64_t paced_from : {UINT64_MAX, uint64_t{0}}) {
    LinkPath path;
    path.delay_us = 50;
    path.mtu = 65521;
    path.most_payload = 65435;
    TcpSettings settings = script_settings();
    settings.paced_from_us = paced_from;
    EXPECT_GT(throughput(path, size_t{200} << 20, settings), 200e6) << paced_from;
  }
}

// Its owner was away for as long as all that was under way took: a whole window may leave at once.
uint64_t dropped_after_a_pause(uint64_t paced_from_us) {
  LinkPath path;
  path.delay_us = 50 * kMs;
  path.rate = 50'000'000;
  path.queue = size_t{1} << 20;
  TcpSettings settings = script_settings();
  settings.paced_from_us = paced_from_us;
  SimulatedLink link(path, 7, settings);
  Pair pair = open_pair(link);
  CheckedStream stream(*pair.client, *pair.server, size_t{500} << 20, 3);
  const auto go = [&](size_t until) {
    return link.run(100 * kSecond, [&] {
      stream.step();
      return stream.received() >= until;
    });
  };
  EXPECT_TRUE(go(size_t{250} << 20));
  EXPECT_GT(pair.client->facts().cwnd, size_t{2} << 20);
  link.run(330 * kMs, [] { return false; });
  EXPECT_LT(pair.client->facts().in_flight, 5000u);
  const uint64_t before = link.dropped;
  EXPECT_TRUE(go(size_t{260} << 20));
  EXPECT_TRUE(stream.right());
  return link.dropped - before;
}

TEST(TcpLink, A_window_that_opens_at_once_is_no_burst) {
  EXPECT_GT(dropped_after_a_pause(UINT64_MAX), 0u) << "or this says nothing";
  EXPECT_EQ(dropped_after_a_pause(TcpSettings().paced_from_us), 0u);
}

TEST(TcpLink, Pacing_fills_a_path_whose_queue_is_short) {
  LinkPath path;
  path.delay_us = 20 * kMs;
  path.rate = 20'000'000;
  path.queue = 60'000;
  TcpSettings settings = script_settings();
  const double without = throughput(path, size_t{40} << 20, settings);
  settings.paced_from_us = 0;
  const double with = throughput(path, size_t{40} << 20, settings);
  EXPECT_GT(with, 0.5 * 20e6);
  EXPECT_GT(with, 0.9 * without);
}

}  // namespace
}  // namespace sluice::test
