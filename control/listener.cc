// Accepting, proxies' headers, refusals.
#include "control/listener.h"

#include <net/if.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/log.h"

namespace sluice {
namespace {

// Accepted between two looks at everything else: a flood of connections must not starve those that are there.
constexpr int kAcceptsARound = 64;
constexpr int64_t kComplaintsApartMs = 1000;

// What a person at the other end reads. RFC 4253 section 4.2 allows lines before the identification.
std::string_view refusal_line(ConnectAnswer answer) {
  switch (answer) {
    case ConnectAnswer::sessions: return "Too many sessions: try again later.\r\n";
    case ConnectAnswer::rate: return "Too many connections a minute: try again later.\r\n";
    case ConnectAnswer::unauthenticated: return "Too many logins at once: try again later.\r\n";
    case ConnectAnswer::source: return "Too many logins at once from your address: try again later.\r\n";
    case ConnectAnswer::penalty: return "Not allowed now, after what came from your address: try again later.\r\n";
    case ConnectAnswer::access: return "Not allowed from your address.\r\n";
    case ConnectAnswer::admit:
    case ConnectAnswer::count_: break;
  }
  return "";
}

// The line fits an empty socket buffer; whoever does not read it is not waited for.
void turn_away(int descriptor, std::string_view line) {
  (void)!::send(descriptor, line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  ::close(descriptor);
}

bool out_of_room(int error) { return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM; }

Endpoint own_end(int descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  return Endpoint::of(address).value_or(Endpoint{});
}

// Inherited from the listening socket.
std::string device_of(int descriptor) {
  std::array<char, IFNAMSIZ> name{};
  socklen_t size = name.size();
  if (::getsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, name.data(), &size) != 0) return {};
  return {name.data(), ::strnlen(name.data(), size)};
}

}  // namespace

Listener::Listener(ControlLoop& loop, ListenerConfig config, Arrived arrived)
    : loop_(loop),
      config_(std::move(config)),
      arrived_(std::move(arrived)),
      ledger_(std::make_shared<SourceLedger>(config_.limits, config_.penalties)) {}

Listener::~Listener() {
  *alive_ = false;
  unwatch_all();
  for (const auto& [descriptor, unheaded] : unheaded_) {
    loop_.unwatch(descriptor);
    ::close(descriptor);
  }
}

void Listener::configure(ListenerConfig config) {
  ledger_->set_limits(config.limits);
  config.penalties = config_.penalties;
  config_ = std::move(config);
}

void Listener::listen(std::vector<ListeningSocket> sockets) {
  unwatch_all();
  sockets_ = std::move(sockets);
  watch_all();
}

std::vector<Endpoint> Listener::endpoints() const {
  std::vector<Endpoint> out;
  for (const ListeningSocket& socket : sockets_) out.push_back(socket.endpoint());
  return out;
}

void Listener::watch_all() {
  if (paused_) return;
  for (const ListeningSocket& socket : sockets_) {
    const int descriptor = socket.descriptor();
    loop_.watch(descriptor, [this, descriptor] { accept_some(descriptor); });
  }
}

void Listener::unwatch_all() {
  if (paused_) return;
  for (const ListeningSocket& socket : sockets_) loop_.unwatch(socket.descriptor());
}

void Listener::accept_some(int listening) {
  for (int i = 0; i < kAcceptsARound; ++i) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    const int descriptor =
        ::accept4(listening, reinterpret_cast<sockaddr*>(&address), &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (descriptor < 0) {
      if (errno == EAGAIN) return;
      if (out_of_room(errno)) return pause(std::strerror(errno));
      // accept(2): what went wrong with one connection says nothing about the next.
      if (errno != EINTR) counters_.lost.add();
      continue;
    }
    const auto from = Endpoint::of(address);
    if (!from) {
      counters_.lost.add();
      ::close(descriptor);
    } else if (is_proxy(from->address)) {
      await_header(descriptor, *from, own_end(descriptor));
    } else {
      judge(descriptor, *from, own_end(descriptor));
    }
  }
}

// The sockets stay readable, so watching them would spin.
void Listener::pause(std::string_view why) {
  counters_.pauses.add();
  complain(about_pauses_, "No new connections for a moment: " + std::string(why));
  unwatch_all();
  paused_ = true;
  loop_.after(config_.pause_ms, [this, alive = alive_] {
    if (!*alive) return;
    paused_ = false;
    watch_all();
  });
}

bool Listener::is_proxy(const Address& address) const {
  return std::any_of(config_.proxies.begin(), config_.proxies.end(),
                     [&](const AddressRange& range) { return range.contains(address); });
}

void Listener::await_header(int descriptor, const Endpoint& proxy, const Endpoint& to) {
  if (unheaded_.size() >= kMaxUnheaded) {
    counters_.bad_proxy_header.add();
    complain(about_headers_, "Proxy " + proxy.text() + " refused: too many connections wait for its headers");
    ::close(descriptor);
    return;
  }
  const uint64_t serial = next_serial_++;
  unheaded_.emplace(descriptor, Unheaded{proxy, to, {}, serial});
  loop_.watch(descriptor, [this, descriptor] { read_header(descriptor); });
  loop_.after(config_.proxy_header_ms, [this, alive = alive_, descriptor, serial] {
    if (!*alive) return;
    // The number may be another connection's by now.
    const auto found = unheaded_.find(descriptor);
    if (found != unheaded_.end() && found->second.serial == serial) drop_unheaded(descriptor, "its header is late");
  });
}

void Listener::read_header(int descriptor) {
  const auto found = unheaded_.find(descriptor);
  if (found == unheaded_.end()) return;
  Unheaded& unheaded = found->second;
  while (!unheaded.reader.complete()) {
    const MutableBytes place = unheaded.reader.wanted();
    const ssize_t n = ::recv(descriptor, place.data(), place.size(), MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return drop_unheaded(descriptor, "it left before its header was whole");
    if (!unheaded.reader.take(static_cast<size_t>(n)))
      return drop_unheaded(descriptor, "its header is not one of version 2 for TCP");
  }
  Endpoint from = unheaded.proxy;
  Endpoint to = unheaded.to;
  if (const auto& ends = unheaded.reader.ends()) {
    from = {ends->from, ends->from_port};
    to = {ends->to, ends->to_port};
  }
  loop_.unwatch(descriptor);
  unheaded_.erase(found);
  judge(descriptor, from, to);
}

void Listener::drop_unheaded(int descriptor, std::string_view why) {
  const auto found = unheaded_.find(descriptor);
  counters_.bad_proxy_header.add();
  complain(about_headers_, "Proxy " + found->second.proxy.text() + " refused: " + std::string(why));
  unheaded_.erase(found);
  loop_.unwatch(descriptor);
  ::close(descriptor);
}

ConnectAnswer Listener::ask(std::string_view device, const Address& from) {
  if (config_.admits && !config_.admits(device, from)) return ConnectAnswer::access;
  return ledger_->connect(from, Instant(ControlLoop::now_ms()));
}

void Listener::note_refusal(ConnectAnswer answer, const Endpoint& from) {
  const auto kind = static_cast<size_t>(answer);
  counters_.refused[kind].add();
  complain(refusals_[kind], "Connection from " + from.text() + " refused: " + std::string(describe(answer)));
}

void Listener::judge(int descriptor, const Endpoint& from, const Endpoint& to) {
  const ConnectAnswer answer = ask(config_.admits ? device_of(descriptor) : std::string(), from.address);
  if (answer == ConnectAnswer::admit) {
    counters_.admitted.add();
    return arrived_({descriptor, from, to, LedgerPlace(ledger_, from.address)});
  }
  note_refusal(answer, from);
  turn_away(descriptor, refusal_line(answer));
}

void Listener::offer(std::unique_ptr<Transport> transport, const Endpoint& from, const Endpoint& to, size_t worker,
                     const TurnAway& turn_away_with) {
  const ConnectAnswer answer = ask({}, from.address);
  if (answer == ConnectAnswer::admit) {
    counters_.admitted.add();
    return arrived_({-1, from, to, LedgerPlace(ledger_, from.address), std::move(transport), worker});
  }
  note_refusal(answer, from);
  turn_away_with(std::move(transport), refusal_line(answer));
}

void Listener::complain(Complaint& about, const std::string& text) {
  const int64_t now = ControlLoop::now_ms();
  if (now - about.told_ms < kComplaintsApartMs) {
    ++about.untold;
    return;
  }
  about.told_ms = now;
  const uint64_t untold = std::exchange(about.untold, 0);
  log_line(LogLevel::warning, untold == 0 ? text : text + ", as " + std::to_string(untold) + " before it");
}

}  // namespace sluice
