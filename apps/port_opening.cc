// Words into settings, and what DPDK is started with.
#include "apps/port_opening.h"

#include <iterator>
#include <sstream>

#include "base/log.h"
#include "drivers/dpdk_module.h"

namespace sluice {
namespace {

// Buffers of a queue pair, both ways, at Ethernet's usual size and at a jumbo frame's; and what DPDK itself takes.
constexpr uint32_t kQueueMegabytes = 32;
constexpr uint32_t kJumboQueueMegabytes = 96;
constexpr uint32_t kOwnMegabytes = 64;
constexpr size_t kUsualMtu = 1600;

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream words(line);
  return {std::istream_iterator<std::string>(words), {}};
}

ResultOrText<NetSettings> net_settings(const PortWishes& wishes, const NetPort& port) {
  NetSettings net;
  net.mac = port.mac();
  net.mtu = port.mtu();
  for (const std::string& text : wishes.addresses) {
    const auto address = InterfaceAddress::parse(text);
    if (!address || text.find('/') == std::string::npos || !address->address.is_unicast()) {
      return fail(text + " is no address of a port: a host's address with its prefix is, as 192.0.2.1/24");
    }
    net.addresses.push_back(*address);
  }
  if (net.addresses.empty()) return fail("the port " + wishes.device + " has no address");
  auto routes = wishes.routes;
  for (const std::string& gateway : wishes.gateways) {
    routes.emplace_back(gateway.find(':') != std::string::npos ? "::/0" : "0.0.0.0/0", gateway);
  }
  for (const auto& [network, gateway] : routes) {
    const auto to = InterfaceAddress::parse(network);
    const auto hop = IpAddress::parse(gateway);
    if (!to || !hop || to->address.v6 != hop->v6) return fail("no route: " + network + " by " + gateway);
    net.routes.push_back({*to, *hop});
  }
  return net;
}

}  // namespace

ResultOrText<OpenedPort> open_wished_port(const PortWishes& wishes) {
  DpdkSettings dpdk;
  const uint32_t each = wishes.mtu > kUsualMtu ? kJumboQueueMegabytes : kQueueMegabytes;
  dpdk.memory_mb =
      wishes.memory_mb > 0 ? wishes.memory_mb : kOwnMegabytes + each * static_cast<uint32_t>(wishes.queues);
  if (wishes.crypto_devices) dpdk.memory_mb += DpdkSettings().memory_mb;
  dpdk.eal_args = words_of(wishes.eal_arguments);
  set_dpdk_settings(dpdk);
  auto module = dpdk_module(wishes.device);
  if (!module) return fail(module.error());
  auto port = (*module)->open_port({wishes.device, wishes.queues, wishes.mtu, wishes.capture});
  if (!port) return fail(port.error());
  log_line(LogLevel::info, "port " + (*port)->about());
  auto net = net_settings(wishes, **port);
  if (!net) return fail(net.error());
  return OpenedPort{std::move(*port), std::move(*net)};
}

}  // namespace sluice
