// The monitor and its pool: hundreds of sessions of one address that sign at once, and sessions that end meanwhile.
#include <atomic>

#include "base/log.h"
#include "control/work_pool.h"
#include "tests/unit/auth/auth_world.h"

namespace sluice {
namespace {

using test::MonitorWorld;
using test::proof_question;

constexpr std::string_view kSlowAlgorithm = "rsa-sha2-512";

// A monitor whose host key is slow, with a pool that works when it is let to.
struct LoadedMonitor {
  LoadedMonitor() {
    EXPECT_TRUE(world.users.put(test::local_user("ann", "", {test::key_of(KeyType::ed25519).public_key()})));
    HostKeys keys = HostKeys::none();
    keys.add(std::move(*PrivateKey::generate(KeyType::ed25519)));
    keys.add(std::move(*PrivateKey::generate(KeyType::rsa, 2048)));
    for (const OfferedHostKey& key : keys.offered())
      (key.algorithms[0] == "ssh-ed25519" ? quick_key : slow_key) = key.blob;
    world.monitor.emplace(MonitorConfig{}, std::move(keys), test::borrowed(world.users), pool, world.runner,
                          world.completions);
    EXPECT_TRUE(pool.submit({"plug"}, [this] {
      plugged = true;
      while (!go) std::this_thread::yield();
    }));
    while (!plugged) std::this_thread::yield();
  }
  ~LoadedMonitor() { go = true; }

  SignRequest quick() const { return {"curve25519-sha256", "ssh-ed25519", quick_key, test::some_hash(32)}; }
  SignRequest slow() const { return {"curve25519-sha256", std::string(kSlowAlgorithm), slow_key, test::some_hash(32)}; }

  uint32_t logged_in() {
    const uint32_t id = world.client.open({"192.0.2.1", ""});
    world.client.sign(id, quick());
    world.pump();
    const auto question = proof_question(test::key_of(KeyType::ed25519), "ssh-ed25519", test::some_hash(32));
    EXPECT_EQ(world.judge(id, question).kind, VerdictKind::accepted);
    return id;
  }

  std::atomic<bool> go{false}, plugged{false};
  std::vector<uint8_t> quick_key, slow_key;
  MonitorWorld world;
  WorkPool pool{{.threads = 1}};
};

TEST(MonitorLoad, Sessions_of_one_address_that_all_sign_slowly_at_once_are_all_served) {
  constexpr size_t kSessions = 300;
  LoadedMonitor loaded;
  std::vector<uint32_t> sessions;
  for (size_t i = 0; i < kSessions; ++i) sessions.push_back(loaded.logged_in());
  for (const uint32_t id : sessions) loaded.world.client.sign(id, loaded.slow());
  EXPECT_EQ(loaded.world.condemnation(loaded.world.pump()), "");
  EXPECT_EQ(loaded.world.monitor->open_jobs(), kSessions);
  loaded.go = true;
  size_t made = 0;
  while (made < kSessions) {
    const auto events = loaded.world.pump();
    ASSERT_EQ(loaded.world.condemnation(events), "");
    for (const auto& event : events) made += std::holds_alternative<Signed>(event) ? 1 : 0;
  }
}

// Whoever logs in, asks and goes, over and over, leaves nothing behind.
TEST(MonitorLoad, What_waits_for_a_session_that_ended_is_given_up) {
  LoadedMonitor loaded;
  const uint32_t stays = loaded.logged_in();
  const uint32_t goes = loaded.logged_in();
  loaded.world.client.sign(stays, loaded.slow());
  for (int i = 0; i < 3; ++i) loaded.world.client.sign(goes, loaded.slow());
  loaded.world.pump();
  EXPECT_EQ(loaded.world.monitor->open_jobs(), 4u);
  loaded.world.client.close(goes);
  loaded.world.pump();
  EXPECT_EQ(loaded.world.monitor->open_jobs(), 1u);
  loaded.go = true;
  size_t made = 0;
  while (made < 1) {
    for (const auto& event : loaded.world.pump()) made += std::holds_alternative<Signed>(event) ? 1 : 0;
  }
  EXPECT_EQ(loaded.world.monitor->open_jobs(), 0u);
}

// Whoever took the network process over must not fill the disk with lines about what he asks for.
TEST(MonitorLoad, A_flood_of_impossible_requests_is_no_flood_of_lines) {
  MonitorWorld world;
  size_t lines = 0;
  set_log_sink([&](LogLevel, std::string_view) { ++lines; });
  PacketQueue flood;
  for (uint32_t i = 0; i < 3000; ++i) flood.append({MonitorType::sign, 1000 + i, 1}, {});
  while (!flood.empty()) {
    EXPECT_TRUE(world.monitor->take_packet(flood.front(), world.now));
    flood.pop();
  }
  EXPECT_EQ(lines, kMaxComplaints);
  EXPECT_EQ(world.monitor->condemned(), 3000u);
  // A second later there is room again, and it is said how much was not told.
  flood.append({MonitorType::sign, 9999, 1}, {});
  EXPECT_TRUE(world.monitor->take_packet(flood.front(), world.now + Instant(1000)));
  EXPECT_EQ(lines, kMaxComplaints + 2);
  set_log_sink({});
}

}  // namespace
}  // namespace sluice
