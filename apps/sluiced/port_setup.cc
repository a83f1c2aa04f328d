// Texts of a configuration into a port's settings, and the way of a connection to the listener.
#include "apps/sluiced/port_setup.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <mutex>
#include <sstream>

#include "apps/port_opening.h"
#include "base/log.h"
#include "base/random.h"

namespace sluice {
namespace {

constexpr int64_t kListPatienceMs = 2000;

}  // namespace

Endpoint endpoint_of(const IpEndpoint& end) { return {Address::of(end.address.view()), end.port}; }

ResultOrText<ServedPort> open_port(const ServerConfig& config, size_t workers) {
  ServedPort served;
  const PortConfig& wanted = config.port;
  if (wanted.device.empty()) return served;
  PortWishes wishes{.device = wanted.device, .addresses = wanted.addresses, .gateways = wanted.gateways};
  wishes.routes.assign(wanted.routes.begin(), wanted.routes.end());
  wishes.mtu = wanted.mtu;
  wishes.queues = std::min<size_t>(wanted.queues == 0 ? workers : wanted.queues, workers);
  wishes.memory_mb = wanted.memory_megabytes;
  wishes.crypto_devices = !config.offload.devices.empty();
  wishes.eal_arguments = wanted.eal_arguments;
  wishes.capture = wanted.capture;
  auto opened = open_wished_port(wishes);
  if (!opened) return fail(opened.error());
  served.port = std::move(opened->port);
  PortStackSettings settings;
  settings.net = std::move(opened->net);
  settings.traffic_class = static_cast<uint8_t>(config.listen.dscp << 2);
  settings.listen_on.push_back(static_cast<uint16_t>(config.listen.port));
  if (config.subsystems.contains("netconf")) {
    settings.listen_on.push_back(static_cast<uint16_t>(config.listen.netconf_port));
  }
  for (const InterfaceAddress& own : settings.net.addresses) {
    for (const uint16_t at : settings.listen_on) {
      served.listening.push_back(own.address.text() + "," + std::to_string(at));
    }
  }
  settings.shares_port = served.port->queues() > 1;
  for (size_t i = 0; i < served.port->queues(); ++i) {
    fill_random(settings.tcp.secret);
    served.stacks.push_back(std::make_unique<PortStack>(served.port->queue(i), settings));
    // One of them asks whether anybody else has the addresses, and answers for all.
    settings.net.ask_for_duplicates = false;
    settings.net.answers = false;
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

void list_port_connections(const ServedPort& served, ControlLoop& loop,
                           std::function<void(std::vector<TcpConnectionFacts>)> listed) {
  // Shared with the workers, of whom one may still answer when nobody waits any more.
  struct Gathering {
    std::mutex mutex;
    std::vector<TcpConnectionFacts> found;
    size_t missing;
    UniqueFd whole;
    bool over = false;  // the loop's thread's alone
  };
  const auto gathering = std::make_shared<Gathering>();
  gathering->missing = served.stacks.size();
  gathering->whole = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (served.stacks.empty() || !gathering->whole) return listed({});
  const auto end = [gathering, &loop, listed = std::move(listed)] {
    if (std::exchange(gathering->over, true)) return;
    loop.unwatch(gathering->whole.get());
    std::vector<TcpConnectionFacts> found;
    {
      const std::lock_guard lock(gathering->mutex);
      found = std::move(gathering->found);
    }
    listed(std::move(found));
  };
  loop.watch(gathering->whole.get(), end);
  loop.after(kListPatienceMs, end);
  for (const auto& stack : served.stacks) {
    stack->list([gathering](const std::vector<TcpConnectionFacts>& some) {
      const std::lock_guard lock(gathering->mutex);
      gathering->found.insert(gathering->found.end(), some.begin(), some.end());
      if (--gathering->missing > 0) return;
      (void)::eventfd_write(gathering->whole.get(), 1);
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
