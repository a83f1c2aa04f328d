// Texts of a configuration into a port's settings, and the way of a connection to the listener.
#include "apps/sluiced/port_setup.h"

#include <algorithm>
#include <iterator>
#include <sstream>

#include "base/log.h"
#include "base/random.h"
#include "drivers/dpdk_module.h"

namespace sluice {
namespace {

// Buffers of a queue pair, both ways, at Ethernet's usual size and at a jumbo frame's; and what DPDK itself takes.
constexpr uint32_t kQueueMegabytes = 32;
constexpr uint32_t kJumboQueueMegabytes = 96;
constexpr uint32_t kOwnMegabytes = 64;
constexpr unsigned kUsualMtu = 1600;

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream words(line);
  return {std::istream_iterator<std::string>(words), {}};
}

ResultOrText<NetSettings> net_settings(const PortConfig& config, const NetPort& port) {
  NetSettings net;
  net.mac = port.mac();
  net.mtu = port.mtu();
  for (const std::string& text : config.addresses) {
    const auto address = InterfaceAddress::parse(text);
    if (!address || !address->address.is_unicast()) return fail("port address " + text + ": no host's address");
    net.addresses.push_back(*address);
  }
  if (net.addresses.empty()) return fail("the port " + config.device + " has no address: say 'port address A/LENGTH'");
  const auto add = [&](const InterfaceAddress& to, const std::string& gateway) {
    if (const auto hop = IpAddress::parse(gateway)) net.routes.push_back({to, *hop});
  };
  for (const std::string& gateway : config.gateways) {
    const bool v6 = gateway.find(':') != std::string::npos;
    add({{{}, v6}, 0}, gateway);
  }
  for (const auto& [network, gateway] : config.routes) {
    if (const auto to = InterfaceAddress::parse(network)) add(*to, gateway);
  }
  return net;
}

Endpoint endpoint_of(const IpEndpoint& end) { return {Address::of(end.address.view()), end.port}; }

}  // namespace

ResultOrText<ServedPort> open_port(const ServerConfig& config, size_t workers) {
  ServedPort served;
  const PortConfig& wanted = config.port;
  if (wanted.device.empty()) return served;
  const size_t queues = std::min<size_t>(wanted.queues == 0 ? workers : wanted.queues, workers);
  DpdkSettings dpdk;
  const uint32_t each = wanted.mtu > kUsualMtu ? kJumboQueueMegabytes : kQueueMegabytes;
  dpdk.memory_mb =
      wanted.memory_megabytes > 0 ? wanted.memory_megabytes : kOwnMegabytes + each * static_cast<uint32_t>(queues);
  // Crypto devices of the same process want theirs.
  if (!config.offload.devices.empty()) dpdk.memory_mb += DpdkSettings().memory_mb;
  dpdk.eal_args = words_of(wanted.eal_arguments);
  set_dpdk_settings(dpdk);
  auto module = dpdk_module(wanted.device);
  if (!module) return fail(module.error());
  auto port = (*module)->open_port({wanted.device, queues, wanted.mtu, wanted.capture});
  if (!port) return fail(port.error());
  served.port = std::move(*port);
  log_line(LogLevel::info, "port " + served.port->about());
  PortStackSettings settings;
  auto net = net_settings(wanted, *served.port);
  if (!net) return fail(net.error());
  settings.net = std::move(*net);
  settings.traffic_class = static_cast<uint8_t>(config.listen.dscp << 2);
  settings.listen_on.push_back(static_cast<uint16_t>(config.listen.port));
  if (config.subsystems.contains("netconf")) {
    settings.listen_on.push_back(static_cast<uint16_t>(config.listen.netconf_port));
  }
  for (size_t i = 0; i < served.port->queues(); ++i) {
    fill_random(settings.tcp.secret);
    served.stacks.push_back(std::make_unique<PortStack>(served.port->queue(i), settings));
    // One of them asks whether anybody else has the addresses.
    settings.net.ask_for_duplicates = false;
  }
  return served;
}

void serve_port(ServedPort& served, ControlLoop& loop, Listener& listener) {
  for (size_t i = 0; i < served.stacks.size(); ++i) {
    PortStack* stack = served.stacks[i].get();
    loop.watch(stack->arrivals_descriptor(), [stack, i, &listener] {
      for (PortArrival& arrival : stack->arrivals()) {
        listener.offer(std::move(arrival.transport), endpoint_of(arrival.ends.remote), endpoint_of(arrival.ends.local),
                       i, [stack](std::unique_ptr<Transport> transport, std::string_view line) {
                         stack->turn_away(std::move(transport), std::string(line));
                       });
      }
    });
  }
}

void tell_port_counts(const ServedPort& served) {
  log_line(LogLevel::notice, "port " + served.port->statistics());
  for (const auto& stack : served.stacks) {
    stack->show([](const std::string& text) {
      std::istringstream lines(text);
      for (std::string line; std::getline(lines, line);) log_line(LogLevel::notice, "port " + line);
    });
  }
}

std::string port_places(const ServerConfig& config) {
  std::string out;
  if (config.port.device.empty()) return out;
  for (const std::string& text : config.port.addresses) {
    const std::string address = text.substr(0, text.find('/'));
    const bool v6 = address.find(':') != std::string::npos;
    out.append(out.empty() ? "" : ", ").append(v6 ? "[" + address + "]" : address).append(":");
    out.append(std::to_string(config.listen.port)).append(" (").append(config.port.device).append(")");
  }
  return out;
}

}  // namespace sluice
