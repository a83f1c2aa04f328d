// The DPDK drivers, of crypto devices and ports, as a module that is loaded when a device is asked for and not before:
// a process that asks for none never maps DPDK.
//
// sluice-dpdk.so is looked for beside the executable, then where the build left it, then in the library directory.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "crypto_offload/crypto_driver.h"
#include "dataplane/netstack/net_port.h"
#include "drivers/dpdk_settings.h"

namespace sluice {

struct CryptodevCapability {
  std::string kind;  // aead, cipher, auth
  std::string algorithm;
  std::string sizes;  // of key, digest, IV and AAD, in bytes
};

struct CryptodevSummary {
  std::string name;    // as in cryptodev:NAME
  std::string driver;  // of DPDK
  std::string bus;
  int numa_node = -1;
  unsigned queue_pairs = 0;
  unsigned sessions = 0;  // 0: no limit
  std::string handoff;
  std::vector<std::string> features;
  std::vector<CryptodevCapability> capabilities;
};

class DpdkModule {
 public:
  virtual ~DpdkModule() = default;
  // One line: version, hugepages, IOVA mode.
  virtual std::string about() const = 0;
  virtual ResultOrText<std::vector<CryptodevSummary>> devices() = 0;
  // `device`: empty is the first one; else a name, a PCI address or a virtual device, which is made when it is not
  // there yet, with the workers that it names.
  virtual ResultOrText<std::unique_ptr<CryptoDriver>> make_driver(const std::string& device) = 0;
  // An Ethernet device, by PCI address or as a virtual one, which is made. It ends with the process.
  virtual ResultOrText<std::unique_ptr<NetPort>> open_port(const PortSettings& settings) = 0;
};

// Before the first call of dpdk_module(); later ones change nothing and return false.
bool set_dpdk_settings(const DpdkSettings& settings);
// Loads the module and starts EAL, once a process. The failure is remembered: EAL cannot be started twice.
// `device` is what will be asked for: PCI is only looked at when a PCI address is.
ResultOrText<DpdkModule*> dpdk_module(const std::string& device);
// Why this build has no module, or how to ask for its devices.
std::string dpdk_note();

}  // namespace sluice
