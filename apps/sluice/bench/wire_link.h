// WireLink: connections over a port of DPDK, or over the kernel's TCP, turned by one thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "dataplane/transport.h"

namespace sluice::bench {

struct WireWishes {
  std::string device;   // of DPDK; "kernel": sockets
  std::string address;  // "192.0.2.1/24"; of the kernel's without the length
  std::string gateway = {};
  uint64_t mtu = 1500;
};

class WireLink {
 public:
  static ResultOrText<std::unique_ptr<WireLink>> open(const WireWishes& wishes);
  virtual ~WireLink() = default;

  // What the link is, for who reads the results.
  virtual std::string about() const = 0;
  virtual ResultOrText<void> listen(uint16_t port) = 0;
  virtual std::vector<std::unique_ptr<Transport>> arrivals() = 0;
  // Waits for it.
  virtual ResultOrText<std::unique_ptr<Transport>> connect(const std::string& address, uint16_t port) = 0;
  // Before the connections' turn, and after it.
  virtual void take_in(Transport* connection) = 0;
  virtual void send_out() = 0;
  // Nobody has a connection: until something may have come.
  virtual void rest() = 0;
};

// Where the far end listens.
inline constexpr uint16_t kWirePort = 7022;

}  // namespace sluice::bench
