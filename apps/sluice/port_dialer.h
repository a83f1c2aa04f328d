// PortDialer: a client's port of DPDK: opened once, and connections through it.
#pragma once

#include <memory>

#include "apps/port_opening.h"
#include "control/client/client_failure.h"
#include "control/client/config/client_options.h"
#include "dataplane/netstack/port_stack.h"

namespace sluice {

struct PortReached {
  std::unique_ptr<Transport> transport;
  std::string address;
};

class PortDialer {
 public:
  static ResultOrText<std::unique_ptr<PortDialer>> open(const ClientOptions& options);
  // Turned by the worker of the connections.
  PortStack& stack() { return *stack_; }
  // Blocks, while the worker runs; no call for its thread or control's.
  tl::expected<PortReached, ClientFailure> dial(const ClientOptions& options);

 private:
  PortDialer() = default;
  OpenedPort opened_;
  std::unique_ptr<PortStack> stack_;
};

}  // namespace sluice
