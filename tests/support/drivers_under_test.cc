// Factories by name.
#include "tests/support/drivers_under_test.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "base/check.h"
#include "crypto_offload/key_epoch.h"
#include "drivers/delay_driver.h"
#include "drivers/driver_registry.h"
#include "drivers/reference_crypto.h"
#include "drivers/sim_driver.h"

namespace sluice::test {
namespace {

std::unique_ptr<CryptoDriver> plain(const std::string& name) {
  auto driver = make_driver(name);
  if (!driver) std::fprintf(stderr, "%s: %s\n", name.c_str(), driver.error().c_str());
  SLUICE_CHECK(driver.has_value());
  return std::move(*driver);
}

std::vector<DriverUnderTest> named(std::string_view names) {
  std::vector<DriverUnderTest> out;
  while (!names.empty()) {
    const size_t end = std::min(names.find(';'), names.size());
    const std::string name(names.substr(0, end));
    names.remove_prefix(std::min(end + 1, names.size()));
    out.push_back({name, [name] { return plain(name); }});
  }
  return out;
}

// Time passes by a microsecond at each look at the clock, so that a few polls bring an op back, out of order.
std::unique_ptr<CryptoDriver> simulated(const SimProfile& profile) {
  static const ManualClock clock(1000);
  SimOptions options;
  options.profile = &profile;
  options.latency_ns = 4000;
  options.jitter_percent = 100;
  options.depth = 64;
  options.virtual_clock = &clock;
  return make_sim_driver(options);
}

std::vector<DriverUnderTest> list() {
  if (const char* names = std::getenv("SLUICE_TEST_DRIVERS")) return named(names);
  std::vector<DriverUnderTest> out;
  for (const DriverNote& note : driver_notes()) {
    if (!note.present) continue;
    const std::string name = note.name;
    out.push_back({name, [name] { return plain(name); }});
    for (const auto& [suffix, placement] :
         {std::pair{"", Placement::separate}, std::pair{":in_place", Placement::in_place}}) {
      out.push_back({"delay:" + name + suffix, [name, placement = placement] {
                       DelayOptions options;
                       options.seed = 7;
                       options.placement = placement;
                       return std::make_unique<DelayDriver>(plain(name), options);
                     }});
    }
  }
  for (const SimProfile& profile : sim_profiles()) {
    out.push_back({"sim:" + std::string(profile.name), [&profile] { return simulated(profile); }});
  }
  return out;
}

}  // namespace

bool DriverUnderTest::serves(const CipherSuite& suite) const {
  const auto driver = make();
  const Support support = driver->supports(suite);
  if (support.yes) return true;
  SLUICE_CHECK(!support.reason.empty());
  const ReferenceKeys keys = random_keys(suite, 1);
  const auto key = driver->prepare(suite, Direction::seal, {keys.cipher_key, keys.iv, keys.mac_key});
  SLUICE_CHECK(!key.has_value() && !key.error().empty());
  const auto set = make_set();
  const auto epoch = KeyEpoch::prepare(suite, Direction::open, {keys.cipher_key, keys.iv, keys.mac_key}, *set, 0);
  SLUICE_CHECK(!epoch.has_value() && epoch.error().find(support.reason) != std::string::npos);
  return false;
}

std::unique_ptr<DriverSet> DriverUnderTest::make_set() const {
  std::vector<std::unique_ptr<CryptoDriver>> drivers;
  drivers.push_back(make());
  if (name != "openssl") drivers.push_back(plain("openssl"));
  return std::make_unique<DriverSet>(std::move(drivers), true);
}

const std::vector<DriverUnderTest>& drivers_under_test() {
  static const std::vector<DriverUnderTest> drivers = list();
  return drivers;
}

std::vector<DriverUnderTest> drivers_with(const CipherSuite& suite) {
  std::vector<DriverUnderTest> out;
  for (const DriverUnderTest& driver : drivers_under_test()) {
    if (driver.serves(suite)) out.push_back(driver);
  }
  return out;
}

}  // namespace sluice::test
