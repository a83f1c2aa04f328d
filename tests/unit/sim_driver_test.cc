// The simulated device as a driver: names, capabilities, time, order.
#include "drivers/sim_driver.h"

#include <gtest/gtest.h>

#include "drivers/driver_registry.h"
#include "drivers/reference_crypto.h"

namespace sluice::test {
namespace {

bool serves(const char* profile, const char* suite) {
  return (*make_sim_driver(std::string_view(profile)))->supports(*find_suite(suite)).yes;
}

TEST(SimProfile, Qat_gen2_has_3des_and_gen4_only_with_legacy_capabilities) {
  EXPECT_TRUE(serves("qat-gen2", "3des-cbc+hmac-sha1"));
  EXPECT_FALSE(serves("qat-gen4", "3des-cbc+hmac-sha1"));
  EXPECT_TRUE(serves("qat-gen4,legacy=1", "3des-cbc+hmac-sha1"));
  EXPECT_FALSE(serves("qat-gen2", "aes128-ctr+hmac-md5"));
  EXPECT_TRUE(serves("qat-gen2,legacy=1", "aes128-ctr+hmac-md5"));
}

TEST(SimProfile, A_nics_block_has_gcm_only) {
  EXPECT_TRUE(serves("mlx5-gcm", "aes256-gcm"));
  EXPECT_FALSE(serves("mlx5-gcm,legacy=1", "aes256-ctr+hmac-sha2-256"));
}

TEST(SimProfile, No_device_has_sshs_chacha20_poly1305) {
  for (const SimProfile& profile : sim_profiles()) {
    const Support support = sim_supports(profile, true, *find_suite("chacha20-poly1305"));
    EXPECT_FALSE(support.yes);
    EXPECT_NE(support.reason.find("RFC 8439"), std::string::npos);
  }
}

TEST(SimOptions, Words_with_units_are_understood_and_others_named) {
  const auto options = parse_sim_options("qat-gen4,latency=20us,bandwidth=40g,depth=64,seed=9,stalls=10");
  ASSERT_TRUE(options.has_value());
  EXPECT_EQ(options->latency_ns, 20'000u);
  EXPECT_EQ(options->bits_per_second, 40'000'000'000u);
  EXPECT_EQ(options->depth, 64u);
  EXPECT_EQ(options->faults.seed, 9u);
  EXPECT_EQ(options->faults.stalls, 10u);
  for (const char* bad : {"qat-gen4,latency=20q", "qat-gen4,depth=0", "qat-gen4,depth=5000", "qat-gen4,colour=red",
                          "qat-gen4,bandwidth=0", "qat-gen4,latency"}) {
    const auto refused = parse_sim_options(bad);
    ASSERT_FALSE(refused.has_value()) << bad;
    EXPECT_NE(refused.error().find(std::string(bad).substr(9)), std::string::npos) << refused.error();
  }
  const auto unknown = parse_sim_options("abacus");
  ASSERT_FALSE(unknown.has_value());
  EXPECT_NE(unknown.error().find("qat-gen2"), std::string::npos);
}

TEST(SimDriver, Is_there_when_asked_for_and_never_by_itself) {
  EXPECT_TRUE(make_driver("sim:qat-gen4,latency=1us").has_value());
  EXPECT_FALSE(make_driver("sim:abacus").has_value());
  auto set = make_driver_set("");
  for (size_t i = 0; i < (*set)->size(); ++i) EXPECT_EQ((**set)[i].kind(), DriverKind::software);
  for (const DriverNote& note : driver_notes()) EXPECT_FALSE(note.name.starts_with("sim"));
}

// A few GCM records on a device whose time the test moves.
class SimTime : public testing::Test {
 protected:
  static constexpr size_t kOps = 8;
  static constexpr uint32_t kLength = 4 + 12496;  // a microsecond on 100 Gb/s

  void start(SimOptions options) {
    options.virtual_clock = &clock_;
    driver_ = make_sim_driver(options);
    const CipherSuite& suite = *find_suite("aes128-gcm");
    const ReferenceKeys keys = random_keys(suite, 1);
    key_ = std::move(*driver_->prepare(suite, Direction::seal, {keys.cipher_key, keys.iv, {}}));
    for (size_t i = 0; i < kOps; ++i) {
      source_[i].resize(kLength), target_[i].resize(kLength + 16);
      ops_[i] = {};
      ops_[i].key = key_.get();
      ops_[i].src = source_[i].data();
      ops_[i].dst = target_[i].data();
      ops_[i].tag = ops_[i].dst + kLength;
      ops_[i].length = kLength;
      pointers_[i] = &ops_[i];
    }
  }
  size_t poll() { return driver_->poll(done_); }

  ManualClock clock_;
  std::array<std::vector<uint8_t>, kOps> source_, target_;
  std::array<CryptoOp, kOps> ops_;
  std::array<CryptoOp*, kOps> pointers_, done_;
  std::unique_ptr<SimDriver> driver_;
  std::unique_ptr<PreparedKey> key_;
};

TEST_F(SimTime, An_op_comes_back_after_transfer_and_latency_and_not_before) {
  start(*parse_sim_options("qat-gen4,latency=15us,bandwidth=100g"));
  ASSERT_EQ(driver_->submit(pointers_), kOps);
  clock_.advance(15'999);
  EXPECT_EQ(poll(), 0u);
  clock_.advance(1);
  EXPECT_EQ(poll(), 1u);
  clock_.advance(3'000);
  EXPECT_EQ(poll(), 3u) << "one for each microsecond of transfer";
  clock_.advance(100'000);
  EXPECT_EQ(poll(), 4u);
}

TEST_F(SimTime, Its_queue_takes_as_many_as_it_is_deep) {
  start(*parse_sim_options("qat-gen4,depth=3"));
  EXPECT_EQ(driver_->submit(pointers_), 3u);
  EXPECT_EQ(driver_->submit(std::span(pointers_).subspan(3)), 0u);
  clock_.advance(1'000'000);
  EXPECT_EQ(poll(), 3u);
  EXPECT_EQ(driver_->submit(std::span(pointers_).subspan(3)), 3u);
  clock_.advance(1'000'000);
  EXPECT_EQ(poll(), 3u);
}

TEST_F(SimTime, With_jitter_ops_complete_out_of_order) {
  start(*parse_sim_options("qat-gen4,latency=15us,jitter=300,seed=2"));
  ASSERT_EQ(driver_->submit(pointers_), kOps);
  clock_.advance(1'000'000);
  ASSERT_EQ(poll(), kOps);
  EXPECT_NE(done_, pointers_);
}

TEST_F(SimTime, Stopping_takes_its_time_writes_late_and_gives_nothing_back) {
  start(*parse_sim_options("qat-gen4,stop=1ms"));
  ASSERT_EQ(driver_->submit(pointers_), kOps);
  EXPECT_FALSE(driver_->stop());
  clock_.advance(1'000'000);
  EXPECT_TRUE(driver_->stop());
  EXPECT_EQ(driver_->device().tally().late_writes, kOps);
  clock_.advance(1'000'000);
  EXPECT_EQ(poll(), 0u);
  EXPECT_EQ(driver_->submit(pointers_), 0u) << "until it is started";
  EXPECT_TRUE(driver_->start());
  EXPECT_EQ(driver_->submit(pointers_), kOps);
  clock_.advance(1'000'000);
  EXPECT_EQ(poll(), kOps);
}

TEST_F(SimTime, A_stall_that_ends_lets_go_of_what_it_held) {
  start(*parse_sim_options("qat-gen4"));
  driver_->device().break_for(SimDevice::Outage::stalled, 1'000'000);
  ASSERT_EQ(driver_->submit(pointers_), kOps);
  clock_.advance(900'000);
  EXPECT_EQ(poll(), 0u);
  EXPECT_FALSE(driver_->lost());
  clock_.advance(200'000);
  EXPECT_EQ(poll(), kOps);
}

TEST_F(SimTime, A_lost_device_says_so_and_starts_when_it_is_back) {
  start(*parse_sim_options("qat-gen4,stop=0ms"));
  driver_->device().break_for(SimDevice::Outage::lost, 1'000'000);
  EXPECT_TRUE(driver_->lost());
  EXPECT_EQ(driver_->submit(pointers_), 0u);
  EXPECT_TRUE(driver_->stop());
  EXPECT_FALSE(driver_->start());
  clock_.advance(2'000'000);
  EXPECT_TRUE(driver_->start());
  EXPECT_FALSE(driver_->lost());
}

}  // namespace
}  // namespace sluice::test
