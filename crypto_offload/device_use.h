// Whether and from which record length on a device is used for a suite: the policy, and a measurement where the policy
// asks for one.
#pragma once

#include <string>

#include "crypto_offload/driver_set.h"

namespace sluice {

struct DeviceUse {
  bool yes = false;
  uint32_t from_bytes = 0;
  std::string reason;  // of either answer, for an operator to read
};

// Adaptive measures once a process, suite and device, on control's thread and with instances of its own: a device pays
// from the length on from which handing 16 records over and taking them back costs the worker less time than sealing
// them, and the device has them back within kDevicePatience times what software would take.
DeviceUse device_use(const DriverSet& drivers, size_t device, const CipherSuite& suite);

inline constexpr double kDevicePatience = 4;
// Where a device may not be disturbed by a measurement: about where AES-GCM in software costs what a hand-over costs.
inline constexpr uint32_t kPaysFromUnmeasured = 4096;

// For each driver of the set one line about the suite: whether it may get records, from which length on, and why not.
std::vector<std::string> explain_choice(const DriverSet& drivers, const CipherSuite& suite);

}  // namespace sluice
