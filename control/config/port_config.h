// PortConfig: what the configuration says about a port that is served without the kernel.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace sluice {

// A port of DPDK that is served beside the kernel's sockets; an empty device: none.
struct PortConfig {
  std::string device = {};
  std::vector<std::string> addresses = {};  // with their prefixes
  std::vector<std::string> gateways = {};
  std::map<std::string, std::string> routes = {};  // by network: the gateway
  unsigned mtu = 1500;
  unsigned queues = 0;            // 0: one for each worker
  unsigned memory_megabytes = 0;  // of DPDK's; 0: what the queues need
  std::string eal_arguments = {};
  std::string capture = {};

  bool operator==(const PortConfig&) const = default;
};

}  // namespace sluice
