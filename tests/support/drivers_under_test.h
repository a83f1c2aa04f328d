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
  // A device: it may lack suites, which openssl behind it then serves.
  bool partial = false;

  // The driver alone in front, with openssl behind it for what is beyond its limits.
  std::unique_ptr<DriverSet> make_set() const;
};

// openssl, ipsec_mb where the CPU has it, and both made late and out of order, in one place and in two. Or those that
// SLUICE_TEST_DRIVERS names, separated by semicolons: devices, whose drivers a plain run does not load.
const std::vector<DriverUnderTest>& drivers_under_test();

// Of those, the ones that can do the suite by themselves.
std::vector<DriverUnderTest> drivers_with(const CipherSuite& suite);

}  // namespace sluice::test
