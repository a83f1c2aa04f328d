// A host's addresses, one after the other, as a kernel's dial would.
#include "apps/sluice/port_dialer.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <chrono>
#include <future>
#include <thread>
#include <vector>

#include "base/log.h"
#include "base/random.h"

namespace sluice {
namespace {

// Where no ConnectTimeout is set: about as long as a kernel tries.
constexpr uint64_t kPatienceNs = 120'000'000'000;

struct Answer {
  std::unique_ptr<Transport> transport;
  TcpEnd why = TcpEnd::none;
};

ResultOrText<std::vector<IpAddress>> addresses_of(const ClientOptions& options) {
  addrinfo hints{};
  hints.ai_family = options.family;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(options.host.c_str(), nullptr, &hints, &found);
  if (code != 0) return fail("Could not resolve hostname " + options.host + ": " + ::gai_strerror(code));
  std::vector<IpAddress> out;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    if (each->ai_family == AF_INET) {
      sockaddr_in address{};
      std::memcpy(&address, each->ai_addr, sizeof address);
      out.push_back(IpAddress::of_v4(reinterpret_cast<const uint8_t*>(&address.sin_addr)));
    } else if (each->ai_family == AF_INET6) {
      sockaddr_in6 address{};
      std::memcpy(&address, each->ai_addr, sizeof address);
      out.push_back(IpAddress::of_v6(address.sin6_addr.s6_addr));
    }
  }
  ::freeaddrinfo(found);
  return out;
}

ClientFailure failure_of(TcpEnd why, const ClientOptions& options, const IpAddress& address) {
  const std::string where =
      "connect to host " + options.host + " [" + address.text() + "] port " + std::to_string(options.port) + ": ";
  switch (why) {
    case TcpEnd::refused:
    case TcpEnd::reset: return {FailureKind::connection_refused, where + "Connection refused"};
    case TcpEnd::timed_out: return {FailureKind::connect_timeout, where + "Connection timed out"};
    case TcpEnd::unreachable:
      return {FailureKind::connect_failed, where + "No route to host from " + options.own_port.device};
    default: return {FailureKind::connect_failed, where + std::string(kTcpEndNames[static_cast<size_t>(why)])};
  }
}

}  // namespace

ResultOrText<std::unique_ptr<PortDialer>> PortDialer::open(const ClientOptions& options) {
  const ClientPort& own = options.own_port;
  if (!options.jumps.empty() || !options.proxy_command.empty()) {
    return fail(std::string("PortDevice does not go with ProxyJump and ProxyCommand: these are programs' pipes"));
  }
  PortWishes wishes{.device = own.device, .addresses = own.addresses, .gateways = own.gateways};
  wishes.mtu = own.mtu;
  wishes.eal_arguments = own.eal_arguments;
  wishes.capture = own.capture;
  auto opened = open_wished_port(wishes);
  if (!opened) return fail(opened.error());
  std::unique_ptr<PortDialer> dialer(new PortDialer());
  dialer->opened_ = std::move(*opened);
  PortStackSettings settings;
  settings.net = dialer->opened_.net;
  settings.traffic_class = static_cast<uint8_t>(std::max(0, options.dscp_bulk));
  fill_random(settings.tcp.secret);
  dialer->stack_ = std::make_unique<PortStack>(dialer->opened_.port->queue(0), settings);
  return dialer;
}

tl::expected<PortReached, ClientFailure> PortDialer::dial(const ClientOptions& options) {
  const auto addresses = addresses_of(options);
  if (!addresses) return tl::unexpected<ClientFailure>({FailureKind::host_not_found, addresses.error()});
  ClientFailure last{FailureKind::host_not_found, "no address of " + options.host};
  for (unsigned attempt = 0; attempt < options.connection_attempts; ++attempt) {
    if (attempt > 0) std::this_thread::sleep_for(std::chrono::seconds(1));
    for (const IpAddress& address : *addresses) {
      log_line(LogLevel::debug, "Connecting to " + options.host + " [" + address.text() + "] port " +
                                    std::to_string(options.port) + " by " + options.own_port.device + ".");
      auto answer = std::make_shared<std::promise<Answer>>();
      const auto chosen = static_cast<uint64_t>(options.connect_timeout.count()) * 1'000'000'000;
      stack_->connect({address, options.port}, chosen > 0 ? chosen : kPatienceNs,
                      [answer](std::unique_ptr<Transport> transport, const IpEndpoints&, TcpEnd why) {
                        answer->set_value({std::move(transport), why});
                      });
      Answer came = answer->get_future().get();
      if (came.transport) return PortReached{std::move(came.transport), address.text()};
      last = failure_of(came.why, options, address);
    }
  }
  return tl::unexpected<ClientFailure>(std::move(last));
}

}  // namespace sluice
