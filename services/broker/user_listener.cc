// Binding, and the way back.
#include "services/broker/user_listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sluice {
namespace {

constexpr int kBacklog = 128;

struct Address {
  sockaddr_storage bytes{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&bytes); }
};

// size 0: not an address of that family.
Address tcp_address(int family, const char* text, uint16_t port) {
  Address out;
  if (family == AF_INET6) {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.bytes);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    if (::inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) out.size = sizeof *v6;
  } else {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&out.bytes);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    if (::inet_pton(AF_INET, text, &v4->sin_addr) == 1) out.size = sizeof *v4;
  }
  return out;
}

Outcome<sockaddr_un> unix_address(const std::string& path) {
  sockaddr_un out{};
  out.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof out.sun_path) return tl::unexpected(failure_of(ENAMETOOLONG));
  std::memcpy(out.sun_path, path.data(), path.size());
  return out;
}

bool is_everywhere(const std::string& address) {
  return address.empty() || address == "*" || address == "0.0.0.0" || address == "::";
}

}  // namespace

Outcome<void> UserListener::add_tcp(int family, const char* text) {
  const Address address = tcp_address(family, text, static_cast<uint16_t>(port_));
  if (address.size == 0) return tl::unexpected(failed(BrokerFault::no_such_host, "Not an address of this machine"));
  UniqueFd socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return system_failure();
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // All of IPv4 comes by way of the socket for all of IPv6; otherwise each family has its own.
  const int only = std::string_view(text) == "::" ? 0 : 1;
  if (family == AF_INET6) ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
  if (::bind(socket.get(), address.get(), address.size) != 0 || ::listen(socket.get(), kBacklog) != 0)
    return system_failure();
  Address bound;
  bound.size = sizeof bound.bytes;
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&bound.bytes), &bound.size) != 0) return system_failure();
  port_ = ntohs(family == AF_INET6 ? reinterpret_cast<const sockaddr_in6*>(&bound.bytes)->sin6_port
                                   : reinterpret_cast<const sockaddr_in*>(&bound.bytes)->sin_port);
  sockets_.push_back(std::move(socket));
  return {};
}

Outcome<UserListener> UserListener::tcp(const std::string& address, uint32_t port, GatewayPorts gateway) {
  if (port > 0xffff) return tl::unexpected(failure_of(EINVAL));
  UserListener made;
  made.port_ = port;
  Outcome<void> first, second;
  const bool local =
      gateway == GatewayPorts::loopback_only || (gateway == GatewayPorts::as_asked && address == "localhost");
  if (local) {
    first = made.add_tcp(AF_INET, "127.0.0.1");
    second = made.add_tcp(AF_INET6, "::1");
  } else if (gateway == GatewayPorts::everywhere || is_everywhere(address)) {
    first = made.add_tcp(AF_INET6, "::");
    if (!first) second = made.add_tcp(AF_INET, "0.0.0.0");
  } else {
    first = made.add_tcp(address.find(':') == std::string::npos ? AF_INET : AF_INET6, address.c_str());
  }
  if (made.sockets_.empty()) return tl::unexpected(first ? second.error() : first.error());
  return made;
}

Outcome<UserListener> UserListener::unix_path(const std::string& path, uint32_t mask, bool replace) {
  const auto address = unix_address(path);
  if (!address) return tl::unexpected(address.error());
  struct stat there;
  // Only a socket is ever taken away: a name that a client chose may be any file of the user's.
  if (replace && ::lstat(path.c_str(), &there) == 0 && S_ISSOCK(there.st_mode)) ::unlink(path.c_str());
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return system_failure();
  const mode_t before = ::umask(static_cast<mode_t>(mask & 0777));
  const int bound = ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address);
  const int why = errno;
  ::umask(before);
  if (bound != 0) return tl::unexpected(failure_of(why));
  UserListener made;
  made.path_ = path;
  if (::lstat(path.c_str(), &there) == 0) {
    made.device_ = there.st_dev;
    made.inode_ = there.st_ino;
  }
  made.sockets_.push_back(std::move(socket));
  if (::listen(made.sockets_[0].get(), kBacklog) != 0) return system_failure();
  return made;
}

Outcome<UserListener> UserListener::agent() {
  char folder[] = "/tmp/ssh-XXXXXX";
  if (!::mkdtemp(folder)) return system_failure();
  auto made = unix_path(std::string(folder).append("/agent.").append(std::to_string(::getpid())), 0177, false);
  if (!made) {
    ::rmdir(folder);
    return made;
  }
  made->folder_ = folder;
  return made;
}

void UserListener::remove_path() {
  struct stat there;
  if (!path_.empty() && ::lstat(path_.c_str(), &there) == 0 && there.st_dev == device_ && there.st_ino == inode_)
    ::unlink(path_.c_str());
  if (!folder_.empty()) ::rmdir(folder_.c_str());
}

UserListener::~UserListener() {
  if (sockets_.empty()) return;
  // Whoever accepts has descriptors of his own; the port is to be free nevertheless.
  for (const UniqueFd& socket : sockets_) ::shutdown(socket.get(), SHUT_RDWR);
  remove_path();
}

std::vector<UniqueFd> UserListener::share() const {
  std::vector<UniqueFd> shared;
  for (const UniqueFd& socket : sockets_) {
    shared.emplace_back(::fcntl(socket.get(), F_DUPFD_CLOEXEC, 3));
    if (!shared.back()) return {};
  }
  return shared;
}

}  // namespace sluice
