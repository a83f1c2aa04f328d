// Software, hardware, adaptive: who gets which record, and that the reasons are counted.
#include "crypto_offload/driver_select.h"

#include <gtest/gtest.h>

#include "crypto_offload/device_use.h"
#include "drivers/driver_registry.h"
#include "drivers/null_driver.h"
#include "tests/support/sim_world.h"

namespace sluice::test {
namespace {

uint64_t passed_over(const SimWorld& world, PassedOver why) {
  return world.on_device().passed_over[static_cast<size_t>(why)].get();
}

TEST(OffloadPolicy, Is_found_by_its_name) {
  EXPECT_EQ(find_policy("adaptive"), OffloadPolicy::adaptive);
  EXPECT_EQ(find_policy("hardware"), OffloadPolicy::hardware);
  EXPECT_EQ(find_policy("software"), OffloadPolicy::software);
  EXPECT_FALSE(find_policy("quantum"));
}

TEST(OffloadPolicy, Software_never_uses_a_device_and_works_in_place) {
  ManualClock clock(1000);
  SimOptions device = *parse_sim_options("qat-gen4");
  device.virtual_clock = &clock;
  std::vector<std::unique_ptr<CryptoDriver>> devices;
  devices.push_back(make_sim_driver(device));
  OffloadOptions options;
  options.policy = OffloadPolicy::software;
  auto set = std::move(*make_driver_set_with(std::move(devices), options));
  RecordPair pair(*find_suite("aes128-gcm"), std::move(set));
  ASSERT_TRUE(pair.send(data_payload(5000, 1)));
  pair.settle();
  EXPECT_EQ(pair.received().size(), 1u);
  EXPECT_EQ(pair.dispatch.taken_by(0), 0u);
  EXPECT_EQ(pair.send_path.epoch().placement(), Placement::in_place);
}

TEST(OffloadPolicy, Hardware_gives_the_device_everything_that_it_can_do) {
  SimWorld world("aes256-ctr+hmac-sha2-512");
  world.send(100, 700);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(world.by_device(), 200u) << "each record is sealed and opened there";
  EXPECT_EQ(world.by_software(), 0u);
  EXPECT_EQ(world.on_device().records.get(), 200u);
  EXPECT_EQ(world.on_device().latency.total(), 200u);
  EXPECT_GE(world.on_device().latency.percentile(1), 10'000u) << "what the device takes";
}

TEST(OffloadPolicy, Hardware_waits_for_a_full_device) {
  SimWorldOptions options;
  options.device = "qat-gen4,latency=50us,depth=4";
  SimWorld world("aes128-gcm", options);
  world.send(60, 3000);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(world.by_device(), 120u);
  EXPECT_EQ(world.by_software(), 0u);
  EXPECT_GT(passed_over(world, PassedOver::queue_full), 0u);
}

TEST(OffloadPolicy, Adaptive_overflows_to_software_at_once_and_order_is_kept) {
  SimWorldOptions options;
  options.device = "qat-gen4,latency=50us,depth=4";
  options.policy = OffloadPolicy::adaptive;
  SimWorld world("aes128-gcm", options);
  world.send(60, 3000);
  ASSERT_TRUE(world.settle());
  EXPECT_GT(world.by_device(), 0u);
  EXPECT_GT(world.by_software(), 0u);
  EXPECT_EQ(world.by_device() + world.by_software(), 120u);
  EXPECT_EQ(passed_over(world, PassedOver::queue_full), world.by_software());
}

TEST(OffloadPolicy, Adaptive_keeps_records_in_software_that_are_too_small_to_pay) {
  SimWorldOptions options;
  options.policy = OffloadPolicy::adaptive;
  options.pays_from_bytes = 1000;
  SimWorld world("aes128-gcm", options);
  world.send(20, 500);
  world.send(10, 2000);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(world.by_device(), 20u);
  EXPECT_EQ(passed_over(world, PassedOver::too_small), 40u);
}

TEST(OffloadPolicy, Records_beyond_a_devices_limits_go_to_software) {
  SimWorld world("aes256-ctr+hmac-sha2-256-etm");
  const ReferenceKeys keys = random_keys(*world.suite, 1);
  const auto payload = data_payload(100'000, 3);
  world.pair->give_wire(reference_seal(*world.suite, keys, 0, keys.iv, frame_payload(*world.suite, payload)));
  for (int i = 0; i < 20; ++i) world.turn();
  ASSERT_EQ(world.pair->received().size(), 1u);
  EXPECT_EQ(world.pair->received()[0], payload);
  EXPECT_EQ(world.by_device(), 0u);
  EXPECT_EQ(passed_over(world, PassedOver::beyond_limits), 1u);
}

TEST(OffloadPolicy, Software_errors_queue_and_bytes_are_counted_by_driver_and_suite) {
  auto set = make_driver_set("openssl");
  RecordPair pair(*find_suite("aes128-gcm"), std::move(*set));
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(pair.send(data_payload(100, 1)));
  pair.settle();
  const SuiteCounters& counters = pair.dispatch.counters(0).suite(find_suite("aes128-gcm")->id);
  EXPECT_EQ(counters.records.get(), 20u);
  EXPECT_EQ(counters.bytes.get(), 20u * record_length(*find_suite("aes128-gcm"), 100));
  EXPECT_GT(counters.latency.total(), 0u) << "a sample of the batches is timed";
}

// Hardware that is done as soon as it was asked.
class InstantDevice final : public CryptoDriver {
 public:
  std::string_view name() const override { return "instant"; }
  DriverKind kind() const override { return DriverKind::hardware; }
  Placement placement() const override { return Placement::separate; }
  Support supports(const CipherSuite& suite) const override { return inner_.supports(suite); }
  ResultOrText<std::unique_ptr<PreparedKey>> prepare(const CipherSuite& s, Direction d, const KeyMaterial& k) override {
    return inner_.prepare(s, d, k);
  }
  std::unique_ptr<CryptoDriver> sibling() const override { return std::make_unique<InstantDevice>(); }
  size_t submit(std::span<CryptoOp* const> ops) override { return inner_.submit(ops); }
  size_t poll(std::span<CryptoOp*> done) override { return inner_.poll(done); }
  void read_lengths(std::span<LengthQuestion> questions) override { inner_.read_lengths(questions); }

 private:
  NullDriver inner_;
};

// ThreadSanitizer slows our copies a hundredfold and the library's assembly not at all: there the device cannot win.
#ifndef __SANITIZE_THREAD__
TEST(DeviceUse, A_fast_device_pays_for_large_records_of_a_hashed_suite) {
  std::vector<std::unique_ptr<CryptoDriver>> devices;
  devices.push_back(std::make_unique<InstantDevice>());
  auto set = std::move(*make_driver_set_with(std::move(devices), {}));
  const DeviceUse use = device_use(*set, 0, *find_suite("aes256-ctr+hmac-sha2-512"));
  EXPECT_TRUE(use.yes) << use.reason;
  EXPECT_LE(use.from_bytes, 16384u + 4) << use.reason;
}
#endif

TEST(DeviceUse, A_device_that_is_far_away_does_not_pay) {
  if (make_driver_set("")->get()->size() < 2) GTEST_SKIP() << "ipsec_mb is not on this machine";
  const CipherSuite& gcm = *find_suite("aes128-gcm");
  const auto use = [&](const char* device) {
    std::vector<std::unique_ptr<CryptoDriver>> devices;
    devices.push_back(std::move(*make_driver(std::string("sim:") + device)));
    auto set = std::move(*make_driver_set_with(std::move(devices), {}));
    EXPECT_EQ(explain_choice(*set, gcm).size(), set->size());
    return device_use(*set, 0, gcm);
  };
  // 16 records of 32 KiB take 20 us in software: a device that is a millisecond away is no help.
  const DeviceUse slow = use("mlx5-gcm,latency=1ms");
  EXPECT_FALSE(slow.yes) << slow.reason;
  EXPECT_NE(slow.reason.find("does not pay"), std::string::npos) << slow.reason;
}

TEST(DeviceUse, Every_suite_has_an_explanation_from_every_driver) {
  std::vector<std::unique_ptr<CryptoDriver>> devices;
  devices.push_back(std::move(*make_driver("sim:mlx5-gcm")));
  OffloadOptions options;
  options.pays_from_bytes = 2048;
  auto set = std::move(*make_driver_set_with(std::move(devices), options));
  const auto gcm = explain_choice(*set, *find_suite("aes128-gcm"));
  EXPECT_NE(gcm[0].find("from 2048 bytes"), std::string::npos) << gcm[0];
  const auto chacha = explain_choice(*set, *find_suite("chacha20-poly1305"));
  EXPECT_NE(chacha[0].find("RFC 8439"), std::string::npos) << chacha[0];
  EXPECT_NE(explain_choice(*set, *find_suite("aes256-ctr+hmac-sha1"))[0].find("no AES-CTR"), std::string::npos);
}

}  // namespace
}  // namespace sluice::test
