// What DPDK is started with: decided once, before the first device is asked for.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sluice {

// Where a record lies while a crypto device works on it.
enum class Handoff : uint8_t {
  direct,   // where the caller put it: the device reads src and writes dst
  in_dst,   // copied to dst and worked on there, for devices without out-of-place operations
  bounced,  // copied to memory of DPDK's and back, for devices that cannot reach the caller's
};

struct DpdkSettings {
  // Devices made or probed at start: "crypto_aesni_mb0,max_nb_queue_pairs=2", "0000:3d:01.0,qat_legacy_capa=1".
  std::vector<std::string> devices;
  // Look at every PCI device that is bound to a driver for user space, not only at those named.
  bool pci = false;
  // Further options of EAL, one word each. Where they speak of memory or of cores, ours are left out.
  std::vector<std::string> eal_args;
  // What EAL may take: all of it is reserved (not touched) where there are no hugepages.
  uint32_t memory_mb = 192;
  // Queues of each device, one for each driver made on it; fewer where the device has fewer.
  uint16_t queue_pairs = 8;
  // Keys prepared at once on each device: two for each connection, four while it rekeys.
  uint32_t sessions = 4096;
  // The least direct way of handing records over: what a driver may not do although the device could.
  Handoff handoff = Handoff::direct;
};

}  // namespace sluice
