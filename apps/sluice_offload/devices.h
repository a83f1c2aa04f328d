// The crypto drivers that a run of sluice-offload looks at.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/sluice_offload/options.h"
#include "crypto_offload/crypto_driver.h"
#include "drivers/dpdk_module.h"

namespace sluice::offload {

struct Device {
  std::string name;
  std::unique_ptr<CryptoDriver> driver;  // null: not available, `reason` says why
  std::string reason;
  std::optional<CryptodevSummary> summary;  // of a DPDK device
};

struct DeviceList {
  std::vector<Device> devices;
  std::string about_dpdk;  // empty when it was not started
};

// Fails when a device that was asked for by name is not there.
ResultOrText<DeviceList> find_devices(const Options& options);

// Those of the table that were asked for; all when none was.
std::vector<const CipherSuite*> chosen_suites(const Options& options);

}  // namespace sluice::offload
