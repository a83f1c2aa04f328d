// Key agreement through an engine that pauses its jobs, fails, or does not answer.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "control/engine/key_engine.h"

#include <gtest/gtest.h>
#include <openssl/async.h>
#include <openssl/engine.h>
#include <openssl/rand.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/engine/engine_random.h"
#include "control/kex/kex_method.h"
#include "control/keys/private_key.h"
#include "control/work_pool.h"
#include "tests/support/test_peer.h"

namespace sluice {
namespace {

class KeyEngineTest : public testing::Test {
 protected:
  KeyEngineTest() {
    set_log_sink([this](LogLevel, std::string_view line) {
      const std::lock_guard lock(mutex_);
      log_.emplace_back(line);
    });
    auto opened = KeyEngine::open(SLUICE_FAKE_ENGINE);
    EXPECT_TRUE(opened) << opened.error();
    engine_ = std::move(*opened);
    KeyEngine::use(engine_.get());
    set("PAUSES", "1");
    set("DELAY_US", "1000");
    most_at_once();
  }
  ~KeyEngineTest() override {
    set("FAIL", "0");
    set("NEVER", "0");
    set("WRONG", "0");
    stop_engine_random();
    engine_.reset();
    set_log_sink({});
  }
  ENGINE* raw() const { return engine_->for_keys(EVP_PKEY_X25519); }
  void set(const char* command, const char* value) { ASSERT_EQ(ENGINE_ctrl_cmd_string(raw(), command, value, 0), 1); }
  int most_at_once() { return ENGINE_ctrl(raw(), ENGINE_CMD_BASE + 4, 0, nullptr, nullptr); }

  std::mutex mutex_;
  std::vector<std::string> log_;
  std::unique_ptr<KeyEngine> engine_;
};

// Both sides of an exchange; true when they agree.
bool agrees(std::string_view name) {
  const KexMethod& method = *find_kex_method(name);
  const auto client = start_kex_client(method, {});
  const auto server = start_kex_server(method, {});
  auto at_server = server->take(client->open());
  if (!at_server || !std::holds_alternative<KexAgreed>(*at_server)) return false;
  auto at_client = client->take(server->reply(bytes_of("host key"), bytes_of("signature")));
  if (!at_client || !std::holds_alternative<KexAgreed>(*at_client)) return false;
  const Secret& a = std::get<KexAgreed>(*at_server).shared;
  const Secret& b = std::get<KexAgreed>(*at_client).shared;
  return a.size() == b.size() && equal_in_constant_time(a.data(), b.data(), a.size());
}

bool exchange_once() { return agrees("curve25519-sha256"); }

// So many exchanges through a pool; how many agreed.
int exchange(WorkPool& pool, std::string_view name, int count, bool may_pause = true) {
  int right = 0, done = 0;
  for (int i = 0; i < count; ++i) {
    auto agreed = std::make_shared<bool>(false);
    EXPECT_TRUE(pool.run(
        {"a", 0, false, may_pause}, [agreed, name] { *agreed = agrees(name); },
        [&, agreed] {
          right += *agreed ? 1 : 0;
          ++done;
        }));
  }
  while (done < count) pool.run_finished();
  return right;
}

TEST_F(KeyEngineTest, that_is_not_there_or_computes_no_agreement_is_said_so) {
  EXPECT_NE(KeyEngine::open("no_such_engine").error().find("no_such_engine"), std::string::npos);
  EXPECT_FALSE(KeyEngine::open("/nowhere/engine.so"));
  EXPECT_FALSE(KeyEngine::open("dynamic"));
}

TEST_F(KeyEngineTest, gives_the_right_result_in_a_job_and_outside_and_for_hybrids) {
  WorkPool pool({.threads = 2, .paused_per_thread = 8});
  for (const char* name : {"curve25519-sha256", "diffie-hellman-group14-sha256", "ecdh-sha2-nistp256"}) {
    EXPECT_EQ(exchange(pool, name, 6), 6) << name;
  }
  EXPECT_EQ(exchange(pool, "mlkem768x25519-sha256", 3, false), 3);
  // Two agreements each; of a power also both public values. P-256 is none of its methods.
  EXPECT_EQ(engine_->operations(), 6u * 2 + 6u * 4 + 3u * 2);
  EXPECT_EQ(engine_->lacking(), 6u * 2);
  ASSERT_EQ(log_.size(), 1u) << "told once";
  EXPECT_NE(log_[0].find("no methods for ECDH"), std::string::npos) << log_[0];
  EXPECT_EQ(engine_->failures(), 0u);
}

TEST_F(KeyEngineTest, has_many_operations_of_one_thread_under_way) {
  set("PAUSES", "3");
  set("DELAY_US", "5000");
  WorkPool pool({.threads = 1, .paused_per_thread = 32});
  const uint64_t began = monotonic_clock().now_ns();
  EXPECT_EQ(exchange(pool, "curve25519-sha256", 32), 32);
  const uint64_t took_ms = (monotonic_clock().now_ns() - began) / 1000000;
  EXPECT_GE(most_at_once(), 16);
  EXPECT_LT(took_ms, 32u * 2 * 3 * 5 / 2) << "one after the other";
}

TEST_F(KeyEngineTest, holds_up_nobody_who_does_not_wait_for_it) {
  set("DELAY_US", "300000");
  WorkPool pool({.threads = 1, .paused_per_thread = 4});
  bool slow_done = false, other_done = false;
  ASSERT_TRUE(pool.run(
      {"a", 1, false, true}, [] { agrees("curve25519-sha256"); }, [&] { slow_done = true; }));
  ASSERT_TRUE(pool.run(
      {"b", 2}, [] {}, [&] { other_done = true; }));
  while (!other_done) pool.run_finished();
  EXPECT_FALSE(slow_done);
  bool behind_done = false;
  ASSERT_TRUE(pool.run(
      {"a", 1}, [] {}, [&] { behind_done = true; }));
  while (!behind_done) pool.run_finished();
  EXPECT_TRUE(slow_done) << "its line waits for it";
}

TEST_F(KeyEngineTest, that_fails_is_replaced_by_software_told_once_and_at_last_given_up) {
  set("FAIL", "1");
  WorkPool pool({.threads = 1, .paused_per_thread = 8});
  EXPECT_EQ(exchange(pool, "curve25519-sha256", 4), 4);
  EXPECT_EQ(exchange(pool, "diffie-hellman-group14-sha256", 1), 1);
  EXPECT_EQ(engine_->failures(), 12u);
  EXPECT_EQ(log_.size(), 1u);
  EXPECT_EQ(KeyEngine::in_use(), engine_.get());
  EXPECT_EQ(exchange(pool, "curve25519-sha256", 8), 8);
  EXPECT_EQ(KeyEngine::in_use(), nullptr);
  EXPECT_EQ(log_.size(), 2u);
}

// With stacks of 32 KiB for all that a step does: agreement, hash, keys, the check of the host key.
TEST_F(KeyEngineTest, serves_whole_connections_that_rekey) {
  const WorkPoolLimits limits{.threads = 1, .paused_per_thread = 8};
  uint64_t rekeys = 0;
  for (const KexMethod& method : kex_methods()) {
    // The largest groups differ in time alone.
    if (method.size_bits > 4096) continue;
    for (const char* host_key : {"ssh-ed25519", "rsa-sha2-512", "ecdsa-sha2-nistp521"}) {
      if (host_key != std::string_view("ssh-ed25519") && method.name != "curve25519-sha256") continue;
      test::TestEnd server_end("", 1, limits), client_end("", 1, limits);
      test::ServerOptions server_options;
      server_options.config.kex = {std::string(method.name)};
      server_options.limits.volume_bytes = 1u << 20;
      test::TestServer server(server_end, server_options);
      server_end.start();
      test::ClientOptions options;
      options.config.kex = {std::string(method.name)};
      options.config.host_keys = {host_key};
      options.to_send = 4u << 20;
      const auto result = test::connect_client(client_end, server.port(), options);
      client_end.start();
      for (int i = 0; i < 3000 && !result->channel_closed && !result->ended; ++i) ::usleep(10000);
      EXPECT_TRUE(result->channel_closed && !result->wrong) << method.name << " " << host_key << result->disconnect;
      rekeys += result->rekeys;
      client_end.stop();
    }
  }
  EXPECT_GT(rekeys, 0u);
  EXPECT_EQ(engine_->failures(), 0u);
  EXPECT_GT(engine_->operations(), 50u);
}

std::vector<uint8_t> rsa_signature(const PrivateKey& key) {
  const auto data = bytes_of("what is signed");
  const auto signature = key.sign("rsa-sha2-512", data);
  EXPECT_TRUE(signature && key.public_key().verify(*signature, "rsa-sha2-512", data));
  return signature ? *signature : std::vector<uint8_t>();
}

TEST_F(KeyEngineTest, signs_with_keys_of_files_and_what_is_wrong_never_leaves) {
  const auto key = PrivateKey::generate(KeyType::rsa, 2048);
  ASSERT_TRUE(key);
  const auto right = rsa_signature(*key);
  EXPECT_EQ(engine_->operations(), 1u);
  set("WRONG", "1");
  EXPECT_EQ(rsa_signature(*key), right) << "by software";
  EXPECT_EQ(engine_->failures(), 1u);
  set("WRONG", "0");
  set("FAIL", "1");
  EXPECT_EQ(rsa_signature(*key), right);
  EXPECT_EQ(engine_->failures(), 2u);
  EXPECT_EQ(log_.size(), 1u);
  // Keys that it has no methods for are none of its failures.
  const auto other = PrivateKey::generate(KeyType::ed25519);
  EXPECT_TRUE(other->sign("ssh-ed25519", bytes_of("x")));
  EXPECT_EQ(engine_->failures(), 2u);
  EXPECT_EQ(engine_->lacking(), 1u);
}

TEST_F(KeyEngineTest, has_many_signatures_of_one_thread_under_way) {
  const auto key = PrivateKey::generate(KeyType::rsa, 2048);
  ASSERT_TRUE(key);
  set("DELAY_US", "20000");
  WorkPool pool({.threads = 1, .paused_per_thread = 32});
  int done = 0;
  for (int i = 0; i < 24; ++i)
    ASSERT_TRUE(pool.run(
        {"a", 0, false, true}, [&] { rsa_signature(*key); }, [&] { ++done; }));
  while (done < 24) pool.run_finished();
  EXPECT_GE(most_at_once(), 12);
  EXPECT_EQ(engine_->operations(), 24u);
}

TEST_F(KeyEngineTest, alone_does_not_decide_random_bytes_and_may_fail_at_them) {
  ASSERT_TRUE(use_engine_random(*engine_));
  std::array<uint8_t, 32> first{}, second{};
  ASSERT_EQ(RAND_bytes(first.data(), 32), 1);
  ASSERT_EQ(RAND_bytes(second.data(), 32), 1);
  EXPECT_NE(first, second) << "the engine gives zeros";
  EXPECT_EQ(engine_->operations(), 2u);
  set("FAIL", "1");
  ASSERT_EQ(RAND_bytes(first.data(), 32), 1);
  EXPECT_EQ(engine_->failures(), 1u);
  EXPECT_EQ(exchange_once(), true);
}

// In a job whose random bytes are asked for under a lock, which is held while the job pauses.
TEST_F(KeyEngineTest, gives_random_bytes_without_pausing_the_job_that_asks) {
  ASSERT_TRUE(use_engine_random(*engine_));
  set("PAUSES", "3");
  ASYNC_WAIT_CTX* wait = ASYNC_WAIT_CTX_new();
  ASYNC_JOB* job = nullptr;
  int result = 0;
  std::array<uint8_t, 32> out{};
  uint8_t* argument = out.data();
  const auto ask = [](void* place) { return RAND_bytes(*static_cast<uint8_t**>(place), 32); };
  EXPECT_EQ(ASYNC_start_job(&job, wait, &result, ask, &argument, sizeof argument), ASYNC_FINISH);
  while (job != nullptr && ASYNC_start_job(&job, wait, &result, ask, &argument, sizeof argument) == ASYNC_PAUSE) {}
  EXPECT_EQ(result, 1);
  EXPECT_EQ(engine_->operations(), 1u);
  ASYNC_WAIT_CTX_free(wait);
}

TEST_F(KeyEngineTest, takes_control_commands_before_it_starts_and_says_which_it_refuses) {
  const std::string path = SLUICE_FAKE_ENGINE;
  const auto opened = KeyEngine::open(path + ",PAUSES=2,DELAY_US=10");
  EXPECT_TRUE(opened) << opened.error();
  const auto refused = KeyEngine::open(path + ",NO_SUCH=secret");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().find("NO_SUCH"), std::string::npos);
  EXPECT_EQ(refused.error().find("secret"), std::string::npos) << "a value may be a PIN";
}

TEST_F(KeyEngineTest, is_not_blamed_for_a_peer_s_bad_value) {
  const KexMethod& method = *find_kex_method("curve25519-sha256");
  const auto client = start_kex_client(method, {});
  Payload open = client->open();
  std::fill(open.end() - 32, open.end(), uint8_t{0});
  EXPECT_FALSE(start_kex_server(method, {})->take(open));
  EXPECT_EQ(engine_->failures(), 0u);
}

TEST_F(KeyEngineTest, that_never_answers_stops_neither_the_pool_nor_its_end) {
  set("NEVER", "1");
  std::atomic<int> stuck{0};
  {
    WorkPool pool({.threads = 1, .paused_per_thread = 2, .on_stuck = [&] {
                     ++stuck;
                     engine_->give_up("it does not answer");
                   }});
    std::atomic<int> finished{0};
    int told = 0;
    for (uint64_t line = 1; line <= 2; ++line) {
      ASSERT_TRUE(pool.run(
          {"a", line, false, true},
          [&] {
            agrees("curve25519-sha256");
            ++finished;
          },
          [&] { ++told; }));
    }
    while (told < 2 || stuck == 0) {
      pool.run_finished();
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    EXPECT_EQ(finished, 0) << "whoever waited is told, and finds nothing done";
    bool behind = false;
    EXPECT_TRUE(pool.run(
        {"a", 1}, [] {}, [&] { behind = true; }));
    while (!behind) pool.run_finished();
    EXPECT_EQ(exchange(pool, "curve25519-sha256", 3), 3) << "by software";
  }
  EXPECT_EQ(KeyEngine::in_use(), nullptr);
}

}  // namespace
}  // namespace sluice
