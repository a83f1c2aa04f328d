// The crypto drivers of one worker, and which of them may serve a suite.
//
// Order is preference. The last driver is the one that takes what the others refuse: a record beyond a library's
// limit, a counter that would wrap, work that a device failed at. Devices come before software.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "crypto_offload/crypto_driver.h"
#include "crypto_offload/offload_options.h"

namespace sluice {

inline constexpr size_t kMaxDrivers = 8;

class DriverSet {
 public:
  // With `only_first`, suites are served by that driver, and by the last one just for records that are beyond its
  // limits; for a device that is the policy `hardware`.
  explicit DriverSet(std::vector<std::unique_ptr<CryptoDriver>> drivers, bool only_first = false,
                     const OffloadOptions& options = {});

  size_t size() const { return drivers_.size(); }
  CryptoDriver& operator[](size_t i) const { return *drivers_[i]; }
  bool only_first() const { return only_first_; }
  CryptoDriver* find(std::string_view name) const;
  const OffloadOptions& options() const { return options_; }

  // The worker's word for control: a device that is out of service gets no new keys.
  bool is_out(size_t i) const { return out_of_service_[i].load(std::memory_order_relaxed); }
  void set_out(size_t i, bool out) const { out_of_service_[i].store(out, std::memory_order_relaxed); }

  // Can anything here protect a connection with this suite? The reasons of all drivers when not.
  Support supports(const CipherSuite& suite) const;

 private:
  std::vector<std::unique_ptr<CryptoDriver>> drivers_;
  bool only_first_;
  OffloadOptions options_;
  mutable std::array<std::atomic<bool>, kMaxDrivers> out_of_service_{};
};

}  // namespace sluice
