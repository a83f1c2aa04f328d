// Opening a port of DPDK from words: of sluiced's configuration, of a client's options.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "dataplane/netstack/net_port.h"
#include "dataplane/netstack/net_settings.h"

namespace sluice {

struct PortWishes {
  std::string device;
  std::vector<std::string> addresses;                            // "192.0.2.1/24"
  std::vector<std::string> gateways;                             // one of each family
  std::vector<std::pair<std::string, std::string>> routes = {};  // network, gateway
  size_t mtu = 1500;
  size_t queues = 1;
  uint32_t memory_mb = 0;       // 0: what the queues need
  bool crypto_devices = false;  // of DPDK, in the same process
  std::string eal_arguments = {};
  std::string capture = {};
};

struct OpenedPort {
  std::unique_ptr<NetPort> port;
  NetSettings net;
};

ResultOrText<OpenedPort> open_wished_port(const PortWishes& wishes);

}  // namespace sluice
