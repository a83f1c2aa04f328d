// EAL, started once a process and only when a device was asked for; and devices brought in while it runs.
//
// It never ends the process: what EAL says when it fails becomes the text of the error.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "drivers/dpdk_settings.h"

namespace sluice {

// "0000:3d:01.0" or "3d:01.0", perhaps with ",devargs" behind it.
bool is_pci_address(const std::string& device);
// The part before the first comma.
std::string device_name(const std::string& device);
// The number of a crypto device that is there, by name or PCI address; negative when it is not.
int find_cryptodev(const std::string& device);
// Likewise of a port.
int find_port(const std::string& device);

class DpdkRuntime {
 public:
  // `first_device` is probed with the settings' own: a PCI device must be named before EAL starts.
  static ResultOrText<DpdkRuntime> start(const DpdkSettings& settings, const std::string& first_device);

  bool hugepages() const { return hugepages_; }
  std::string about() const;
  // A device that is not there yet: a virtual one is made, and before it the workers that a scheduler names.
  ResultOrText<bool> bring(const std::string& device);
  // Likewise of a port.
  ResultOrText<uint16_t> bring_port(const std::string& device);
  // The last complaints of DPDK since the last call, for the text of an error.
  static std::string complaints();

 private:
  explicit DpdkRuntime(bool hugepages) : hugepages_(hugepages) {}
  bool hugepages_;
};

}  // namespace sluice
