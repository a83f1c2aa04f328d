// The driver sets that every crypto and data-path test runs on.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "crypto_offload/driver_set.h"

namespace sluice::test {

struct DriverUnderTest {
  std::string name;
  std::function<std::unique_ptr<CryptoDriver>()> make;
  // False for a suite that the driver lacks; then it is checked that it says so with a reason at every door.
  bool serves(const CipherSuite& suite) const;

  // The driver alone in front, with openssl behind it for what is beyond its limits.
  std::unique_ptr<DriverSet> make_set() const;
};

// openssl, ipsec_mb where the CPU has it, both made late and out of order, in one place and in two, and the simulated
// devices. Or those that SLUICE_TEST_DRIVERS names, separated by semicolons: devices, whose drivers a plain run does
// not load. Devices lack some suites.
const std::vector<DriverUnderTest>& drivers_under_test();

// Of those, the ones that serve the suite.
std::vector<DriverUnderTest> drivers_with(const CipherSuite& suite);

}  // namespace sluice::test
