// The crypto drivers of one worker, and which of them may serve a suite.
//
// Order is preference. The last driver is the one that takes what the others refuse: a record beyond a library's
// limit, a counter that would wrap, work that a device failed at.
#pragma once

#include <memory>
#include <vector>

#include "crypto_offload/crypto_driver.h"

namespace sluice {

inline constexpr size_t kMaxDrivers = 8;

class DriverSet {
 public:
  // With `only`, suites are served by that driver, and by the last one just for records that are beyond its limits.
  explicit DriverSet(std::vector<std::unique_ptr<CryptoDriver>> drivers, bool only_first = false);

  size_t size() const { return drivers_.size(); }
  CryptoDriver& operator[](size_t i) const { return *drivers_[i]; }
  bool only_first() const { return only_first_; }
  CryptoDriver* find(std::string_view name) const;

  // Can anything here protect a connection with this suite? The reasons of all drivers when not.
  Support supports(const CipherSuite& suite) const;

 private:
  std::vector<std::unique_ptr<CryptoDriver>> drivers_;
  bool only_first_;
};

}  // namespace sluice
