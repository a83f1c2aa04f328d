// Numeric addresses only: names would be looked up with rights, and change under us.
#include "control/listening_sockets.h"

#include <fcntl.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/check.h"

namespace sluice {
namespace {

constexpr int kFirstGiven = 3;
// More would be somebody's mistake.
constexpr int kMostGiven = 64;

bool set_option(int descriptor, int level, int option, int value) {
  return ::setsockopt(descriptor, level, option, &value, sizeof value) == 0;
}

std::string why(const std::string& what) { return what + ": " + std::strerror(errno); }

int number_in(const char* variable) {
  const char* text = std::getenv(variable);
  int number = -1;
  if (text != nullptr) std::from_chars(text, text + std::strlen(text), number);
  return number;
}

ResultOrText<sockaddr_storage> resolve(const ListenPlace& where, socklen_t& size) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(where.port);
  const char* address = where.address.empty() ? "::" : where.address.c_str();
  if (::getaddrinfo(address, port.c_str(), &hints, &found) != 0)
    return fail("'" + where.address + "' is no numeric address to listen on");
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, ::freeaddrinfo);
  sockaddr_storage resolved{};
  std::memcpy(&resolved, found->ai_addr, found->ai_addrlen);
  size = found->ai_addrlen;
  return resolved;
}

}  // namespace

std::optional<Endpoint> Endpoint::of(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, &address, sizeof in);
    return Endpoint{Address::of(Bytes(reinterpret_cast<const uint8_t*>(&in.sin_addr), 4)), ntohs(in.sin_port)};
  }
  if (address.ss_family != AF_INET6) return std::nullopt;
  sockaddr_in6 in;
  std::memcpy(&in, &address, sizeof in);
  return Endpoint{Address::of(Bytes(in.sin6_addr.s6_addr, 16)), ntohs(in.sin6_port)};
}

std::string Endpoint::text() const {
  std::string out;
  if (!address.v4) out.push_back('[');
  out.append(address.text());
  if (!address.v4) out.push_back(']');
  out.push_back(':');
  return out.append(std::to_string(port));
}

ListeningSocket::~ListeningSocket() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

ResultOrText<ListeningSocket> ListeningSocket::open(const ListenPlace& where, const SocketMarks& marks) {
  socklen_t size = 0;
  const auto address = resolve(where, size);
  if (!address) return fail(address.error());
  ListeningSocket made(::socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (made.descriptor_ < 0 && where.address.empty() && errno == EAFNOSUPPORT) {
    ListenPlace v4_only = where;
    v4_only.address = "0.0.0.0";
    return open(v4_only, marks);
  }
  const std::string name = "cannot listen on " + Endpoint::of(*address)->text();
  if (made.descriptor_ < 0) return fail(why(name));
  // A server that was restarted need not wait for the old connections' last packets.
  set_option(made.descriptor_, SOL_SOCKET, SO_REUSEADDR, 1);
  if (address->ss_family == AF_INET6) {
    const int only = where.v6only && !where.address.empty() ? 1 : 0;
    if (!set_option(made.descriptor_, IPPROTO_IPV6, IPV6_V6ONLY, only)) return fail(why(name));
  }
  if (!where.device.empty()) {
    const auto length = static_cast<socklen_t>(where.device.size());
    if (::setsockopt(made.descriptor_, SOL_SOCKET, SO_BINDTODEVICE, where.device.data(), length) != 0)
      return fail(why(name + " of " + where.device));
  }
  if (auto marked = made.mark(marks); !marked) return fail(marked.error());
  const bool bound = ::bind(made.descriptor_, reinterpret_cast<const sockaddr*>(&*address), size) == 0;
  if (!bound || ::listen(made.descriptor_, marks.backlog) != 0) return fail(why(name));
  return made;
}

ResultOrText<ListeningSocket> ListeningSocket::adopt(int descriptor, const SocketMarks& marks) {
  ListeningSocket taken(descriptor);
  const std::string name = "descriptor " + std::to_string(descriptor);
  int listening = 0;
  int type = 0;
  sockaddr_storage address{};
  socklen_t size = sizeof listening;
  const bool is_socket = ::getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 &&
                         ::getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
  size = sizeof address;
  const bool named =
      is_socket && ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) == 0 && listening != 0;
  if (!named || type != SOCK_STREAM || !Endpoint::of(address))
    return fail(name + " is no listening stream socket of IPv4 or IPv6");
  const int flags = ::fcntl(descriptor, F_GETFL);
  if (::fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) != 0 || ::fcntl(descriptor, F_SETFD, FD_CLOEXEC) != 0)
    return fail(why(name));
  if (auto marked = taken.mark(marks); !marked) return fail(marked.error());
  return taken;
}

std::vector<ListeningSocket> ListeningSocket::copies(const std::vector<int>& descriptors) {
  std::vector<ListeningSocket> sockets;
  for (const int descriptor : descriptors) {
    auto socket = adopt(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0), {});
    if (socket) sockets.push_back(std::move(*socket));
  }
  return sockets;
}

ResultOrText<std::vector<ListeningSocket>> ListeningSocket::given(const SocketMarks& marks) {
  std::vector<ListeningSocket> sockets;
  const bool ours = number_in("LISTEN_PID") == ::getpid();
  const int count = ours ? number_in("LISTEN_FDS") : 0;
  if (count > kMostGiven) return fail("LISTEN_FDS names more sockets than " + std::to_string(kMostGiven));
  for (int i = 0; i < count; ++i) {
    auto socket = adopt(kFirstGiven + i, marks);
    if (!socket) return fail(socket.error());
    sockets.push_back(std::move(*socket));
  }
  // A child must not take them for its own.
  for (const char* variable : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(variable);
  return sockets;
}

ResultOrText<void> ListeningSocket::mark(const SocketMarks& marks) {
  set_option(descriptor_, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(descriptor_, SOL_SOCKET, SO_KEEPALIVE, marks.keepalive ? 1 : 0);
  if (marks.window_scale) {
    // RFC 7323: the shift that a window of so many bytes needs is what the kernel announces.
    constexpr int kUnscaledWindow = 65535;
    const auto scale = std::min(*marks.window_scale, kMostWindowScale);
    if (!set_option(descriptor_, IPPROTO_TCP, TCP_WINDOW_CLAMP, kUnscaledWindow << scale))
      return fail(why("cannot set the window scale"));
  }
  if (!marks.dscp) return {};
  if (*marks.dscp > kMostDscp) return fail("DSCP " + std::to_string(*marks.dscp) + " is not in 0..63");
  const int traffic_class = static_cast<int>(*marks.dscp) << 2;
  // An IPv6 socket that serves IPv4 too has both; a pure one of either family refuses the other's.
  const bool v4 = set_option(descriptor_, IPPROTO_IP, IP_TOS, traffic_class);
  const bool v6 = set_option(descriptor_, IPPROTO_IPV6, IPV6_TCLASS, traffic_class);
  if (!v4 && !v6) return fail(why("cannot mark packets"));
  return {};
}

Endpoint ListeningSocket::endpoint() const {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  SLUICE_CHECK(::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return Endpoint::of(address).value_or(Endpoint{});
}

}  // namespace sluice
