// Every address of the host in the resolver's order until one answers.
#include "control/client/dial.h"

#include <fcntl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace sluice {
namespace {

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

// Null with the resolver's error in `code`.
Addresses resolve(const std::string& host, const std::string& port, int family, int flags, int& code) {
  addrinfo hints{};
  hints.ai_family = family;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* list = nullptr;
  code = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &list);
  return Addresses(code == 0 ? list : nullptr);
}

std::string numeric(const addrinfo& address) {
  char text[NI_MAXHOST] = "?";
  ::getnameinfo(address.ai_addr, address.ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
  return text;
}

// The device itself where we may say so, which also puts the socket into a VRF; else by the device's address.
bool bind_to_device(int descriptor, const std::string& name, int family) {
  if (::setsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, name.c_str(), static_cast<socklen_t>(name.size())) == 0) {
    return true;
  }
  if (errno != EPERM) return false;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return false;
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(list, ::freeifaddrs);
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != family || name != one->ifa_name) continue;
    const socklen_t size = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    if (::bind(descriptor, one->ifa_addr, size) == 0) return true;
  }
  return errno = EADDRNOTAVAIL, false;
}

bool bind_to(int descriptor, const DialTarget& target, int family) {
  if (!target.bind_interface.empty() && !bind_to_device(descriptor, target.bind_interface, family)) return false;
  if (target.bind_address.empty()) return true;
  int code = 0;
  const auto own = resolve(target.bind_address, "0", family, AI_NUMERICHOST | AI_PASSIVE, code);
  if (!own) return errno = EADDRNOTAVAIL, false;
  return ::bind(descriptor, own->ai_addr, own->ai_addrlen) == 0;
}

// 0, or an errno.
int connect_within(int descriptor, const addrinfo& address, std::chrono::milliseconds timeout) {
  ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) | O_NONBLOCK);
  if (::connect(descriptor, address.ai_addr, address.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  using Clock = std::chrono::steady_clock;
  const auto until = Clock::now() + timeout;
  for (;;) {
    int wait = -1;
    if (timeout.count() > 0) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
      if (left <= 0) return ETIMEDOUT;
      wait = static_cast<int>(left);
    }
    pollfd ready{descriptor, POLLOUT, 0};
    const int n = ::poll(&ready, 1, wait);
    if (n == 0) return ETIMEDOUT;
    if (n < 0 && errno != EINTR) return errno;
    if (n > 0) break;
  }
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

FailureKind kind_of(int error) {
  if (error == ECONNREFUSED) return FailureKind::connection_refused;
  return error == ETIMEDOUT ? FailureKind::connect_timeout : FailureKind::connect_failed;
}

}  // namespace

tl::expected<Dialed, ClientFailure> dial(const DialTarget& target) {
  int code = 0;
  const std::string port = std::to_string(target.port);
  const auto addresses = resolve(target.host, port, target.family, 0, code);
  if (!addresses) {
    return tl::unexpected<ClientFailure>(
        {FailureKind::host_not_found, "Could not resolve hostname " + target.host + ": " + ::gai_strerror(code)});
  }
  ClientFailure failure{FailureKind::connect_failed, "no address"};
  for (const addrinfo* address = addresses.get(); address != nullptr; address = address->ai_next) {
    const int descriptor = ::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int error = descriptor < 0 ? errno : 0;
    std::string from;
    if (error == 0 && !bind_to(descriptor, target, address->ai_family)) {
      error = errno;
      for (const std::string* own : {&target.bind_interface, &target.bind_address})
        if (!own->empty()) from.append(from.empty() ? " from " : ", ").append(*own);
    }
    if (error == 0) error = connect_within(descriptor, *address, target.timeout);
    const std::string shown = numeric(*address);
    if (error == 0) return Dialed{descriptor, shown};
    if (descriptor >= 0) ::close(descriptor);
    std::string where = target.host;
    if (shown != target.host) where.append(" [").append(shown).append("]");
    failure = {kind_of(error), "connect to host " + where + " port " + port + from + ": " + std::strerror(error)};
  }
  return tl::unexpected<ClientFailure>(std::move(failure));
}

}  // namespace sluice
