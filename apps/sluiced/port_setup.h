// The port of a configuration: opened, its queues with the workers that turn them, its arrivals with control.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "control/config/server_config.h"
#include "control/listener.h"
#include "dataplane/netstack/port_stack.h"
#include "dataplane/worker.h"

namespace sluice {

struct ServedPort {
  std::unique_ptr<NetPort> port;
  // In the order of the workers. They send through the port, and go before it.
  std::vector<std::unique_ptr<PortStack>> stacks;
  std::vector<std::string> listening;  // "ADDRESS,PORT"
};

Endpoint endpoint_of(const IpEndpoint& end);
// Before rights are dropped. Nothing inside where none is configured.
ResultOrText<ServedPort> open_port(const ServerConfig& config, size_t workers);
// Connections of each stack's are offered to the listener from now on.
void serve_port(ServedPort& served, ControlLoop& loop, Listener& listener);
// The device's and each stack's counts, and connections, into the log.
void tell_port_counts(const ServedPort& served);
// What the stacks have to tell about each connection, on the loop's thread; of a worker that does not answer for two
// seconds nothing.
void list_port_connections(const ServedPort& served, ControlLoop& loop,
                           std::function<void(std::vector<TcpConnectionFacts>)> listed);
// "192.0.2.1:22 (net_tap0)", for each address.
std::string port_places(const ServerConfig& config);

}  // namespace sluice
