// Listening by way of the broker, and the channels of who connects.
#include "services/forward/remote_listeners.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>

#include "base/wire.h"

namespace sluice {
namespace {

// Lines for the log: a client that listens and cancels without end must not fill it.
constexpr size_t kMaxLines = 64;
// As long as a host's name may be, or longer than a socket's path: it is repeated in each open.
constexpr size_t kMaxName = 1024;

struct Origin {
  std::string address = "unknown";
  uint32_t port = 0;
};

Origin origin_of(const sockaddr_storage& from) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (from.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(from);
    if (::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size())) return {text.data(), ntohs(v4.sin_port)};
  } else if (from.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(from);
    // An IPv4 address that came by way of a socket for both reads like any other.
    const bool mapped = IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr);
    const void* bytes = mapped ? static_cast<const void*>(&v6.sin6_addr.s6_addr[12]) : &v6.sin6_addr;
    if (::inet_ntop(mapped ? AF_INET : AF_INET6, bytes, text.data(), text.size())) {
      return {text.data(), ntohs(v6.sin6_port)};
    }
  }
  return {};
}

std::string addresses_of(const std::vector<UniqueFd>& sockets) {
  std::string out;
  for (const UniqueFd& socket : sockets) {
    sockaddr_storage own{};
    socklen_t size = sizeof own;
    if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&own), &size) != 0) continue;
    out.append(out.empty() ? "" : " and ").append(origin_of(own).address);
  }
  return out;
}

// A name that a client chose, fit for a line of the log.
std::string printable(std::string_view text) {
  std::string out(text.substr(0, 128));
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return out;
}

}  // namespace

void RemoteListeners::listen_tcp(uint32_t request, Bytes extra) {
  WireReader reader(extra);
  const std::string address(reader.text());
  const uint32_t port = reader.u32();
  const bool allowed = connection_.settings().remote_forwarding && connection_.login().port_forwarding;
  if (!reader.ok() || port > 0xffff || !allowed) return connection_.answer_global(request, false);
  listen(request, {true, address, port, 0, 0, false, std::nullopt, {}}, ListenTcp{address, port});
}

void RemoteListeners::listen_unix(uint32_t request, Bytes extra) {
  WireReader reader(extra);
  const std::string path(reader.text());
  const bool allowed = connection_.settings().streamlocal_forwarding && connection_.login().port_forwarding;
  if (!reader.ok() || !allowed) return connection_.answer_global(request, false);
  listen(request, {false, path, 0, 0, 0, false, std::nullopt, {}}, ListenUnix{path});
}

void RemoteListeners::listen(uint32_t request, Listener wanted, BrokerRequest asked) {
  const bool full = listeners_.size() >= connection_.settings().listeners;
  if (full || wanted.name.size() > kMaxName) return connection_.answer_global(request, false);
  const Place place = listeners_.insert(listeners_.end(), std::move(wanted));
  connection_.broker().ask(caller_, std::move(asked), [this, request, place](BrokerReceived&& received) {
    take(request, place, std::move(received));
  });
}

void RemoteListeners::take(uint32_t request, Place place, BrokerReceived&& received) {
  const auto* listening = std::get_if<Listening>(&received.answer);
  const std::optional<uint32_t> cancelled = place->cancel;
  if (listening) {
    place->handle = listening->handle;
    place->port = place->tcp ? listening->port : 0;
    place->listening = true;
    // What was asked for may be wider than what the configuration gives.
    const std::string where = place->tcp ? addresses_of(received.descriptors) : printable(place->name);
    accept_with(*place, std::move(received.descriptors));
    log(*place, "Listening for the client on " + where);
    WireWriter extra;
    if (place->tcp && place->asked_port == 0) extra.u32(place->port);
    connection_.answer_global(request, true, extra.view());
  } else {
    listeners_.erase(place);
    connection_.answer_global(request, false);
  }
  if (!cancelled) return;
  if (listening) {
    connection_.broker().tell(CloseHandle{listening->handle});
    listeners_.erase(place);
  }
  connection_.answer_global(*cancelled, listening != nullptr);
}

void RemoteListeners::accept_with(Listener& listener, std::vector<UniqueFd> descriptors) {
  const auto describe = [tcp = listener.tcp, name = listener.name, port = listener.port](const sockaddr_storage& from) {
    WireWriter extra;
    if (!tcp) return extra.string(name).string("").take();
    const Origin origin = origin_of(from);
    return extra.string(name).u32(port).string(origin.address).u32(origin.port).take();
  };
  for (UniqueFd& descriptor : descriptors) {
    listener.acceptors.push_back(std::make_unique<Acceptor>(
        connection_, std::move(descriptor), listener.tcp ? "forwarded-tcpip" : "forwarded-streamlocal@openssh.com",
        describe, state_.accepted()));
  }
}

void RemoteListeners::cancel_tcp(uint32_t request, Bytes extra) {
  WireReader reader(extra);
  const std::string_view address = reader.text();
  const uint32_t port = reader.u32();
  if (!reader.ok()) return connection_.answer_global(request, false);
  cancel(request, true, address, port);
}

void RemoteListeners::cancel_unix(uint32_t request, Bytes extra) {
  WireReader reader(extra);
  const std::string_view path = reader.text();
  if (!reader.ok()) return connection_.answer_global(request, false);
  cancel(request, false, path, 0);
}

void RemoteListeners::cancel(uint32_t request, bool tcp, std::string_view name, uint32_t port) {
  const auto found = std::find_if(listeners_.begin(), listeners_.end(), [&](const Listener& listener) {
    return listener.tcp == tcp && listener.name == name &&
           (listener.listening ? listener.port : listener.asked_port) == port;
  });
  if (found == listeners_.end()) return connection_.answer_global(request, false);
  if (!found->listening) {
    // Answered after what it cancels, once.
    if (found->cancel) return connection_.answer_global(request, false);
    found->cancel = request;
    return;
  }
  connection_.broker().tell(CloseHandle{found->handle});
  listeners_.erase(found);
  connection_.answer_global(request, true);
}

void RemoteListeners::on_turn() {
  for (Listener& listener : listeners_) {
    for (const auto& acceptor : listener.acceptors) acceptor->on_turn();
  }
}

void RemoteListeners::log(const Listener& listener, std::string line) {
  if (++lines_ > kMaxLines) return;
  if (listener.tcp) line.append(" port ").append(std::to_string(listener.port));
  connection_.log(LogLevel::info, std::move(line));
}

}  // namespace sluice
