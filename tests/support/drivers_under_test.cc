// Factories by name.
#include "tests/support/drivers_under_test.h"

#include "base/check.h"
#include "drivers/delay_driver.h"
#include "drivers/driver_registry.h"

namespace sluice::test {
namespace {

std::unique_ptr<CryptoDriver> plain(const std::string& name) {
  auto driver = make_driver(name);
  SLUICE_CHECK(driver.has_value());
  return std::move(*driver);
}

std::vector<DriverUnderTest> list() {
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
  return out;
}

}  // namespace

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

}  // namespace sluice::test
