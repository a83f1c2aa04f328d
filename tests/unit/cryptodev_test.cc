// What is particular to crypto devices: that DPDK comes only when asked for, and what a device runs out of.
#include <gtest/gtest.h>

#include <sched.h>

#include <fstream>

#include "drivers/dpdk_module.h"
#include "drivers/driver_registry.h"
#include "tests/support/run_ops.h"

namespace sluice::test {
namespace {

constexpr const char* kDevice = "cryptodev:crypto_aesni_mb";

bool dpdk_is_mapped() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find("librte_") != std::string::npos || line.find("sluice-dpdk.so") != std::string::npos) return true;
  }
  return false;
}

// First of this process: the others load it.
TEST(Cryptodev, A_process_that_asks_for_no_device_does_not_map_dpdk) {
  bool noted = false;
  for (const DriverNote& note : driver_notes()) {
    if (note.name == "cryptodev") noted = !note.present && !note.reason.empty();
  }
  EXPECT_TRUE(noted);
  EXPECT_TRUE(make_driver_set("").has_value());
  EXPECT_FALSE(dpdk_is_mapped());
  DpdkSettings settings;
  settings.queue_pairs = 2;
  settings.sessions = 16;
  EXPECT_TRUE(set_dpdk_settings(settings));
  cpu_set_t before, after;
  ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
  ASSERT_TRUE(make_driver(kDevice).has_value());
  EXPECT_TRUE(dpdk_is_mapped());
  ASSERT_EQ(::sched_getaffinity(0, sizeof after, &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&before, &after)) << "EAL binds its caller to a core, which is not to last";
  EXPECT_FALSE(set_dpdk_settings(settings)) << "EAL is started once";
}

TEST(Cryptodev, A_device_that_is_not_there_is_an_error_that_names_it_and_harms_no_other) {
  const auto missing = make_driver("cryptodev:crypto_of_tomorrow");
  ASSERT_FALSE(missing.has_value());
  EXPECT_NE(missing.error().find("crypto_of_tomorrow"), std::string::npos);
  EXPECT_FALSE(make_driver("cryptodev:0000:ff:1f.7").has_value());
  EXPECT_TRUE(make_driver(kDevice).has_value());
}

TEST(Cryptodev, Queue_pairs_run_out_with_a_reason_and_come_back) {
  auto first = make_driver(kDevice);
  auto second = make_driver(kDevice);
  ASSERT_TRUE(first.has_value() && second.has_value());
  const auto third = make_driver(kDevice);
  ASSERT_FALSE(third.has_value());
  EXPECT_NE(third.error().find("queue pair"), std::string::npos) << third.error();
  EXPECT_EQ((*first)->sibling(), nullptr);
  second->reset();
  EXPECT_NE((*first)->sibling(), nullptr);
}

TEST(Cryptodev, Sessions_run_out_with_a_reason_and_come_back) {
  auto driver = make_driver(kDevice);
  ASSERT_TRUE(driver.has_value());
  const CipherSuite& suite = *find_suite("aes128-gcm");
  const ReferenceKeys keys = random_keys(suite, 1);
  std::vector<std::unique_ptr<PreparedKey>> prepared;
  const auto prepare = [&] { return (*driver)->prepare(suite, Direction::seal, {keys.cipher_key, keys.iv, {}}); };
  auto key = prepare();
  while (key && prepared.size() < 100) {
    prepared.push_back(std::move(*key));
    key = prepare();
  }
  EXPECT_EQ(prepared.size(), 16u);
  ASSERT_FALSE(key.has_value());
  EXPECT_NE(key.error().find("sessions"), std::string::npos) << key.error();
  prepared.pop_back();
  EXPECT_TRUE(prepare().has_value());
}

TEST(Cryptodev, A_device_says_no_to_what_it_lacks_and_why) {
  auto driver = make_driver(kDevice);
  auto null = make_driver("cryptodev:crypto_null");
  ASSERT_TRUE(driver.has_value() && null.has_value());
  const Support chacha = (*driver)->supports(*find_suite("chacha20-poly1305"));
  EXPECT_FALSE(chacha.yes);
  EXPECT_NE(chacha.reason.find("RFC 8439"), std::string::npos);
  for (const CipherSuite& suite : cipher_suites()) {
    EXPECT_EQ((*driver)->supports(suite).yes, suite.negotiable && suite.kind() != CipherKind::chacha20_poly1305)
        << suite.name();
    const Support support = (*null)->supports(suite);
    EXPECT_FALSE(support.yes) << suite.name();
    EXPECT_FALSE(support.reason.empty()) << suite.name();
  }
}

TEST(Cryptodev, A_driver_dropped_with_records_under_way_takes_them_from_its_device_first) {
  const CipherSuite& suite = *find_suite("aes256-ctr+hmac-sha2-256");
  const ReferenceKeys keys = random_keys(suite, 1);
  std::vector<uint8_t> source(4096), target(4096);
  for (int round = 0; round < 4; ++round) {
    auto driver = make_driver(kDevice);
    ASSERT_TRUE(driver.has_value());
    auto key = (*driver)->prepare(suite, Direction::seal, {keys.cipher_key, keys.iv, keys.mac_key});
    ASSERT_TRUE(key.has_value());
    CryptoOp op{};
    op.key = key->get();
    op.src = source.data() + 64;
    op.dst = target.data() + 64;
    op.length = 1024;
    op.tag = op.dst + op.length;
    CryptoOp* one = &op;
    ASSERT_EQ((*driver)->submit({&one, 1}), 1u);
    driver->reset();
  }
}

}  // namespace
}  // namespace sluice::test
