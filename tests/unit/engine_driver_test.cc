// Records through an ENGINE that pauses its jobs as hardware would, fails, or never answers; loaded by path.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "drivers/engine_driver.h"

#include <gtest/gtest.h>
#include <openssl/engine.h>

#include "base/clock.h"
#include "base/log.h"
#include "drivers/driver_registry.h"
#include "tests/support/record_pair.h"
#include "tests/support/run_ops.h"

namespace sluice::test {
namespace {

const std::string kSpec = std::string("openssl:") + SLUICE_FAKE_ENGINE;

class EngineDriverTest : public testing::Test {
 protected:
  EngineDriverTest() {
    set_log_sink([this](LogLevel, std::string_view line) { log_.emplace_back(line); });
    engine_ = *OpenSslEngine::load(SLUICE_FAKE_ENGINE);
    set("PAUSES", "1");
    set("DELAY_US", "500");
    most_at_once();
  }
  ~EngineDriverTest() override {
    set("FAIL", "0");
    set("NEVER", "0");
    set_log_sink({});
  }
  void set(const char* command, const char* value) {
    ASSERT_EQ(ENGINE_ctrl_cmd_string(engine_->get(), command, value, 0), 1);
  }
  int most_at_once() { return ENGINE_ctrl(engine_->get(), ENGINE_CMD_BASE + 4, 0, nullptr, nullptr); }

  std::shared_ptr<OpenSslEngine> engine_;
  std::vector<std::string> log_;
};

std::unique_ptr<CryptoDriver> engine_driver(const std::string& spec = kSpec) {
  auto driver = make_openssl_driver(spec.substr(8));
  EXPECT_TRUE(driver) << driver.error();
  return driver ? std::move(*driver) : nullptr;
}

TEST_F(EngineDriverTest, Its_records_are_those_of_openssl_with_many_under_way) {
  set("DELAY_US", "3000");
  const auto driver = engine_driver();
  for (const char* name : {"aes128-gcm", "aes256-ctr+hmac-sha2-256-etm", "aes256-ctr+hmac-sha2-512"}) {
    const CipherSuite& suite = *find_suite(name);
    const ReferenceKeys keys = random_keys(suite, 8);
    OpBench seal(*driver, suite, Direction::seal, keys);
    std::vector<std::vector<uint8_t>> records;
    for (uint32_t i = 0; i < 40; ++i) {
      records.push_back(frame_payload(suite, std::vector<uint8_t>(1 + 700 * i, static_cast<uint8_t>(i))));
      seal.add(records.back(), i, keys.iv, 0);
    }
    seal.run();
    OpBench open(*driver, suite, Direction::open, keys);
    for (uint32_t i = 0; i < 40; ++i) {
      EXPECT_EQ(seal.result(i), reference_seal(suite, keys, i, keys.iv, records[i])) << name << i;
      EXPECT_TRUE(seal.kept_its_place(i));
      open.add(seal.result(i), i, keys.iv, 0);
    }
    open.run();
    for (uint32_t i = 0; i < 40; ++i) EXPECT_EQ(open.result(i), records[i]) << name << i;
  }
  EXPECT_GE(most_at_once(), static_cast<int>(EngineDriver::kFlightsOfKey));
}

TEST_F(EngineDriverTest, A_forged_record_is_refused) {
  const auto driver = engine_driver();
  const CipherSuite& suite = *find_suite("aes128-gcm");
  const ReferenceKeys keys = random_keys(suite, 8);
  auto sealed = reference_seal(suite, keys, 1, keys.iv, frame_payload(suite, std::vector<uint8_t>(500, 3)));
  sealed[100] = static_cast<uint8_t>(sealed[100] ^ 1);
  OpBench open(*driver, suite, Direction::open, keys);
  open.add(sealed, 1, keys.iv, 0);
  open.run();
  EXPECT_EQ(open.status(0), OpStatus::bad_tag);
}

TEST_F(EngineDriverTest, Failures_are_told_once_and_each_is_an_error_of_the_device) {
  set("FAIL", "1");
  const auto driver = engine_driver();
  const CipherSuite& suite = *find_suite("aes128-gcm");
  const ReferenceKeys keys = random_keys(suite, 8);
  OpBench seal(*driver, suite, Direction::seal, keys);
  for (uint32_t i = 0; i < 5; ++i) seal.add(frame_payload(suite, std::vector<uint8_t>(500, 3)), i, keys.iv, 0);
  seal.run();
  for (uint32_t i = 0; i < 5; ++i) EXPECT_EQ(seal.status(i), OpStatus::device_error);
  ASSERT_EQ(log_.size(), 1u);
  EXPECT_NE(log_[0].find("failed"), std::string::npos);
}

// A session over the engine and software, in real time.
struct EngineWorld {
  explicit EngineWorld(const char* suite_name) : suite(find_suite(suite_name)) {
    OffloadOptions options;
    options.policy = OffloadPolicy::hardware;
    std::vector<std::unique_ptr<CryptoDriver>> devices;
    devices.push_back(engine_driver());
    pair = std::make_unique<RecordPair>(*suite, std::move(*make_driver_set_with(std::move(devices), options)));
  }
  // Everything arrives, or half a minute passes.
  bool transfer(size_t n, size_t size) {
    const uint64_t until = monotonic_clock().now_ns() + 30'000 * kMillisecond;
    for (size_t i = 0; i < n; ++i) {
      sent.push_back(data_payload(size, sent.size() + 1));
      while (!pair->send(sent.back()) && monotonic_clock().now_ns() < until) pair->turn();
    }
    while (pair->received().size() < sent.size() && !pair->receive_path.error() && monotonic_clock().now_ns() < until)
      pair->turn();
    return pair->received() == sent;
  }
  const SuiteCounters& counters() const { return pair->dispatch.counters(0).suite(suite->id); }

  const CipherSuite* suite;
  std::unique_ptr<RecordPair> pair;
  std::vector<std::vector<uint8_t>> sent;
};

TEST_F(EngineDriverTest, Sessions_run_over_it) {
  for (const char* suite : {"aes128-gcm", "aes256-ctr+hmac-sha2-512-etm"}) {
    EngineWorld world(suite);
    EXPECT_TRUE(world.transfer(200, 3000)) << suite;
    EXPECT_GT(world.counters().records.get(), 100u) << suite;
    EXPECT_EQ(world.counters().errors.get(), 0u);
  }
}

TEST_F(EngineDriverTest, Software_does_what_it_fails_at_and_it_is_counted) {
  EngineWorld world("aes128-gcm");
  EXPECT_TRUE(world.transfer(20, 3000));
  set("FAIL", "1");
  EXPECT_TRUE(world.transfer(100, 3000));
  EXPECT_GT(world.counters().errors.get(), 0u);
  EXPECT_EQ(std::count_if(log_.begin(), log_.end(),
                          [](const auto& line) { return line.find("failed at a record") != std::string::npos; }),
            1);
}

TEST_F(EngineDriverTest, One_that_never_answers_is_left_alone_with_its_records_and_software_does_them) {
  EngineWorld world("aes128-gcm");
  EXPECT_TRUE(world.transfer(20, 3000));
  set("NEVER", "1");
  EXPECT_TRUE(world.transfer(50, 3000));
  EXPECT_GT(world.counters().redone.get(), 0u);
  EXPECT_FALSE(world.pair->dispatch.watch(0)->in_service());
}

TEST_F(EngineDriverTest, One_that_answers_again_serves_the_same_keys_again) {
  EngineWorld world("aes128-gcm");
  EXPECT_TRUE(world.transfer(20, 3000));
  set("NEVER", "1");
  // Every slot of the key is abandoned, and more probes than a probe's key has slots are never answered.
  EXPECT_TRUE(world.transfer(50, 3000));
  ASSERT_FALSE(world.pair->dispatch.watch(0)->in_service());
  set("NEVER", "0");
  for (int i = 0; i < 2000 && !world.pair->dispatch.watch(0)->in_service(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_TRUE(world.transfer(1, 3000));
  }
  ASSERT_TRUE(world.pair->dispatch.watch(0)->in_service());
  const uint64_t before = world.counters().redone.get();
  EXPECT_TRUE(world.transfer(50, 3000));
  EXPECT_EQ(world.counters().redone.get(), before) << "none of them needed software";
}

TEST_F(EngineDriverTest, What_cannot_be_loaded_says_why) {
  for (const auto& [spec, word] : {std::pair{"openssl:/nowhere/engine.so", "/nowhere/engine.so"},
                                   std::pair{"openssl:no_such_engine", "no_such_engine"}}) {
    const auto driver = make_driver(spec);
    ASSERT_FALSE(driver);
    EXPECT_NE(driver.error().find(word), std::string::npos);
  }
  const auto refused = make_driver(kSpec + ",NO_SUCH=secret");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().find("NO_SUCH"), std::string::npos);
  EXPECT_EQ(refused.error().find("secret"), std::string::npos);
  EXPECT_TRUE(make_driver(kSpec + ",PAUSES=2,DELAY_US=10"));
}

}  // namespace
}  // namespace sluice::test
