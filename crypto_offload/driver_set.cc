// Holding a worker's drivers and asking them about suites.
#include "crypto_offload/driver_set.h"

#include "base/check.h"

namespace sluice {

DriverSet::DriverSet(std::vector<std::unique_ptr<CryptoDriver>> drivers, bool only_first, const OffloadOptions& options)
    : drivers_(std::move(drivers)), only_first_(only_first), options_(options) {
  SLUICE_CHECK(!drivers_.empty() && drivers_.size() <= kMaxDrivers);
  if (only_first_) options_.policy = OffloadPolicy::hardware;
  bool software = false;
  for (const auto& driver : drivers_) {
    const bool hardware = driver->kind() == DriverKind::hardware;
    SLUICE_CHECK(!hardware || (!software && driver->placement() == Placement::separate));
    software = software || !hardware;
  }
  SLUICE_CHECK(software);
}

CryptoDriver* DriverSet::find(std::string_view name) const {
  for (const auto& driver : drivers_) {
    if (driver->name() == name) return driver.get();
  }
  return nullptr;
}

Support DriverSet::supports(const CipherSuite& suite) const {
  std::string reasons;
  for (const auto& driver : drivers_) {
    Support support = driver->supports(suite);
    if (support.yes) return support;
    if (!reasons.empty()) reasons.append("; ");
    reasons.append(driver->name()).append(": ").append(support.reason);
    if (only_first_) break;
  }
  return Support::no(std::move(reasons));
}

}  // namespace sluice
