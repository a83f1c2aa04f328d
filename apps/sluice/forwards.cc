// Sockets for local ones, global requests for remote ones.
#include "apps/sluice/forwards.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/text.h"
#include "base/wire.h"

namespace sluice {
namespace {

constexpr int kBacklog = 128;

StreamTarget target_of(const ForwardSpec& spec) {
  if (!spec.target) return {StreamTarget::Kind::socks, {}, 0};
  if (spec.target->is_path()) return {StreamTarget::Kind::path, spec.target->path, 0};
  return {StreamTarget::Kind::tcp, spec.target->host, spec.target->port};
}

ResultOrText<UniqueFd> listen_at_path(const std::string& path, const SessionWishes& wishes) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return fail(joined({path, ": too long for a socket"}));
  std::copy(path.begin(), path.end(), address.sun_path);
  if (wishes.unlink_sockets) ::unlink(path.c_str());
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const mode_t before = ::umask(wishes.socket_mask);
  const bool bound = ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  const int error = errno;
  ::umask(before);
  if (!bound || ::listen(socket.get(), kBacklog) != 0) {
    return fail(joined({"unix_listener: cannot bind to path ", path, ": ", std::strerror(bound ? errno : error)}));
  }
  return socket;
}

// Nothing said: this machine only, unless GatewayPorts opens it to all.
const char* bind_name(const ForwardEnd& end, bool gateway) {
  if (!end.host_given) return gateway ? nullptr : "localhost";
  if (end.host.empty() || end.host == "*") return nullptr;
  return end.host.c_str();
}

// Every address that the name has; one that can be bound is enough.
ResultOrText<std::vector<UniqueFd>> listen_at_port(const ForwardEnd& end, bool gateway) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* list = nullptr;
  const std::string port = std::to_string(end.port);
  const char* name = bind_name(end, gateway);
  if (const int code = ::getaddrinfo(name, port.c_str(), &hints, &list); code != 0) {
    return fail(joined({name ? name : "*", ": ", ::gai_strerror(code)}));
  }
  std::vector<UniqueFd> sockets;
  std::string why;
  for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
    UniqueFd socket(::socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int on = 1;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (one->ai_family == AF_INET6) ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (::bind(socket.get(), one->ai_addr, one->ai_addrlen) == 0 && ::listen(socket.get(), kBacklog) == 0) {
      sockets.push_back(std::move(socket));
      continue;
    }
    const int error = errno;
    char text[NI_MAXHOST] = "?";
    ::getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
    // A machine without IPv6 has no such address: no news beside one that works.
    if (error != EADDRNOTAVAIL || why.empty()) {
      why.append(why.empty() ? "" : "\n").append(joined({"bind [", text, "]:", port, ": ", std::strerror(error)}));
    }
  }
  ::freeaddrinfo(list);
  if (sockets.empty()) return fail(std::move(why));
  return sockets;
}

// As it goes over the wire: RFC 4254 section 7.1.
std::string remote_bind_name(const ForwardEnd& end) {
  if (!end.host_given) return "localhost";
  return end.host == "*" ? "" : end.host;
}

}  // namespace

void Forwards::remove_paths() const {
  for (const Running& one : running_) {
    if (one.spec.kind == ForwardKind::local && one.spec.listen.is_path()) ::unlink(one.spec.listen.path.c_str());
  }
}

bool Forwards::has(const ForwardSpec& spec) const {
  return std::any_of(running_.begin(), running_.end(), [&](const Running& one) { return one.spec == spec; });
}

void Forwards::begin(const ForwardSpec& spec, Then then) {
  if (has(spec)) return then(uint32_t{0});
  if (spec.kind == ForwardKind::local) return begin_local(spec, then);
  begin_remote(spec, then);
}

void Forwards::begin_local(const ForwardSpec& spec, const Then& then) {
  std::vector<UniqueFd> sockets;
  if (spec.listen.is_path()) {
    auto socket = listen_at_path(spec.listen.path, wishes_);
    if (!socket) return then(fail(socket.error()));
    sockets.push_back(std::move(*socket));
  } else {
    auto bound = listen_at_port(spec.listen, wishes_.gateway_ports);
    if (!bound) return then(fail(bound.error()));
    sockets = std::move(*bound);
  }
  Running running{spec, {}, spec.listen.port};
  for (UniqueFd& socket : sockets) {
    const uint32_t id = channels_.new_id();
    running.listeners.push_back(id);
    auto kept = std::make_shared<UniqueFd>(std::move(socket));
    channels_.order([id, kept, target = target_of(spec)](ClientChannels& channels) {
      channels.listen(id, std::move(*kept), target);
    });
  }
  running_.push_back(std::move(running));
  then(uint32_t{spec.listen.port});
}

void Forwards::begin_remote(const ForwardSpec& spec, const Then& then) {
  const bool path = spec.listen.is_path();
  const std::string name = path ? spec.listen.path : remote_bind_name(spec.listen);
  WireWriter body;
  body.string(name);
  if (!path) body.u32(spec.listen.port);
  RemoteRule rule{path, name, path ? 0u : spec.listen.port, target_of(spec), {}};
  if (!spec.target && wishes_.permit_remote_open != std::vector<std::string>{"any"}) {
    rule.permitted = wishes_.permit_remote_open;
  }
  const bool chosen = !path && spec.listen.port == 0;
  // Before the server has it: the first connection may come right behind its answer.
  if (!chosen) channels_.order([rule](ClientChannels& channels) { channels.add_remote(rule); });
  auto answered = [this, spec, rule, chosen, then](std::optional<Bytes> answer) mutable {
    if (!answer) {
      channels_.order(
          [rule](ClientChannels& channels) { channels.remove_remote(rule.is_path, rule.listen, rule.port); });
      return then(fail("the server refused it"));
    }
    WireReader reader(*answer);
    if (chosen) rule.port = reader.u32();
    if (!reader.ok() || rule.port > 65535) return then(fail("the server's answer names no port"));
    running_.push_back({spec, {}, rule.port});
    if (chosen) channels_.order([rule](ClientChannels& channels) { channels.add_remote(rule); });
    then(rule.port);
  };
  // Posted like the order above, so behind it.
  channels_.run().post([this, path, body = body.take(), answered = std::move(answered), then]() mutable {
    ClientConnection* connection = channels_.run().connection(channels_.link());
    if (connection == nullptr) return then(fail("the connection is gone"));
    const bool sent =
        connection->request(path ? "streamlocal-forward@openssh.com" : "tcpip-forward", body, std::move(answered));
    if (!sent) then(fail("too many requests wait for the server's answer"));
  });
}

void Forwards::end(const ForwardSpec& spec, Then then) {
  const auto found = std::find_if(running_.begin(), running_.end(), [&](const Running& one) {
    return one.spec.kind == spec.kind && one.spec.listen == spec.listen &&
           (!spec.target || !one.spec.target || one.spec.target == spec.target);
  });
  if (found == running_.end()) return then(fail("no such forwarding"));
  const Running gone = std::move(*found);
  running_.erase(found);
  for (const uint32_t id : gone.listeners) {
    channels_.order([id](ClientChannels& channels) { channels.unlisten(id); });
  }
  if (spec.kind == ForwardKind::local) {
    if (spec.listen.is_path()) ::unlink(spec.listen.path.c_str());
    return then(uint32_t{0});
  }
  ClientConnection* connection = channels_.run().connection(channels_.link());
  const bool path = spec.listen.is_path();
  const std::string name = path ? spec.listen.path : remote_bind_name(spec.listen);
  channels_.order([path, name, port = gone.port](ClientChannels& channels) {
    channels.remove_remote(path, name, path ? 0 : port);
  });
  if (connection == nullptr) return then(fail("the connection is gone"));
  WireWriter body;
  body.string(name);
  if (!path) body.u32(gone.port);
  const bool sent = connection->request(path ? "cancel-streamlocal-forward@openssh.com" : "cancel-tcpip-forward",
                                        body.view(), [then](std::optional<Bytes> answer) {
                                          if (!answer) return then(fail("the server refused it"));
                                          then(uint32_t{0});
                                        });
  if (!sent) then(fail("too many requests wait for the server's answer"));
}

}  // namespace sluice
