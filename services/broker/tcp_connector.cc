// Attempts side by side; the first that is through wins.
#include "services/broker/tcp_connector.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sluice {
namespace {

constexpr int64_t kNextAttemptMs = 250;
// The kernel alone would try for two minutes, and a request of the link would be open as long.
constexpr int64_t kPatienceMs = 30000;

// The resolver's order, but a dead family does not come first eight times.
std::vector<TcpAddress> in_turns(const std::vector<TcpAddress>& sorted) {
  std::vector<TcpAddress> first, second, out;
  for (const TcpAddress& address : sorted)
    (address.bytes.ss_family == sorted.front().bytes.ss_family ? first : second).push_back(address);
  for (size_t i = 0; out.size() < std::min(sorted.size(), kMaxConnectAttempts); ++i) {
    if (i < first.size()) out.push_back(first[i]);
    if (i < second.size()) out.push_back(second[i]);
  }
  return out;
}

}  // namespace

Outcome<std::vector<TcpAddress>> look_up(const std::string& host, uint32_t port, bool addresses_only) {
  if (host.empty() || port == 0 || port > 0xffff)
    return tl::unexpected(failed(BrokerFault::invalid, "No host or no port"));
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (addresses_only ? AI_NUMERICHOST : AI_ADDRCONFIG);
  addrinfo* found = nullptr;
  const int result = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (result != 0) return tl::unexpected(failed(BrokerFault::no_such_host, ::gai_strerror(result)));
  std::vector<TcpAddress> all;
  for (const addrinfo* each = found; each; each = each->ai_next) {
    TcpAddress address;
    address.size = std::min<socklen_t>(each->ai_addrlen, sizeof address.bytes);
    std::memcpy(&address.bytes, each->ai_addr, address.size);
    all.push_back(address);
  }
  ::freeaddrinfo(found);
  if (all.empty()) return tl::unexpected(failed(BrokerFault::no_such_host, "No address"));
  return in_turns(all);
}

TcpConnector::~TcpConnector() { drop_attempts(); }

void TcpConnector::drop_attempts() {
  for (const UniqueFd& attempt : attempts_)
    if (attempt) loop_.unwatch(attempt.get());
  attempts_.clear();
}

void TcpConnector::start(std::vector<TcpAddress> addresses) {
  addresses_ = std::move(addresses);
  loop_.after(kPatienceMs, [self = weak_from_this()] {
    if (const auto still = self.lock()) still->finish(tl::unexpected(failure_of(ETIMEDOUT)));
  });
  try_next();
}

void TcpConnector::finish(Outcome<UniqueFd> outcome) {
  if (!then_) return;
  drop_attempts();
  std::exchange(then_, nullptr)(std::move(outcome));
}

void TcpConnector::try_next() {
  while (then_ && next_ < addresses_.size()) {
    const TcpAddress& address = addresses_[next_++];
    UniqueFd socket(::socket(address.bytes.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) {
      last_failure_ = failure_of(errno);
      continue;
    }
    const int result = ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address.bytes), address.size);
    const int descriptor = socket.get();
    if ((result != 0 && errno != EINPROGRESS) ||
        !loop_.watch(descriptor, EPOLLOUT, [this, descriptor](uint32_t) { on_ready(descriptor); })) {
      last_failure_ = failure_of(errno);
      continue;
    }
    attempts_.push_back(std::move(socket));
    loop_.after(kNextAttemptMs, [self = weak_from_this(), next = next_] {
      const auto still = self.lock();
      if (still && still->next_ == next) still->try_next();
    });
    return;
  }
  if (attempts_.empty()) finish(tl::unexpected(last_failure_));
}

void TcpConnector::on_ready(int descriptor) {
  const auto self = shared_from_this();
  const auto found =
      std::find_if(attempts_.begin(), attempts_.end(), [&](const UniqueFd& each) { return each.get() == descriptor; });
  if (found == attempts_.end()) return;
  loop_.unwatch(descriptor);
  UniqueFd socket = std::move(*found);
  attempts_.erase(found);
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error == 0) {
    const int on = 1;
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return finish(std::move(socket));
  }
  last_failure_ = failure_of(error);
  try_next();
}

}  // namespace sluice
