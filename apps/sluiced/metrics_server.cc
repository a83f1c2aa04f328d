// HTTP as far as a scraper speaks it.
#include "apps/sluiced/metrics_server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/clock.h"
#include "control/listening_sockets.h"

namespace sluice {
namespace {

constexpr int kMostScrapes = 16;
constexpr size_t kMostRequest = 4096;
constexpr int64_t kMostMs = 5000;
// Whoever asks more often gets the same text: making it looks at all sessions, on control's thread.
constexpr uint64_t kFreshNs = 500'000'000;
// An answer that found no room is looked at again.
constexpr int64_t kAgainMs = 20;

std::string answer_of(const std::string& request, const std::function<std::string()>& text) {
  const bool get = request.starts_with("GET "), head = request.starts_with("HEAD ");
  const size_t from = get ? 4 : 5, to = request.find_first_of(" ?\r\n", from);
  const std::string path = to == std::string::npos ? "" : request.substr(from, to - from);
  const bool found = (get || head) && (path == "/metrics" || path == "/");
  const std::string body = found ? text() : get || head ? "There is /metrics\n" : "Only GET\n";
  std::string out = found         ? "HTTP/1.1 200 OK\r\n"
                    : get || head ? "HTTP/1.1 404 Not Found\r\n"
                                  : "HTTP/1.1 405 Method Not Allowed\r\n";
  out.append("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\nConnection: close\r\nContent-Length: ");
  out.append(std::to_string(body.size())).append("\r\n\r\n");
  return head ? out : out.append(body);
}

}  // namespace

ResultOrText<UniqueFd> listen_for_metrics(const MetricsSettings& settings) {
  if (settings.port == 0) return UniqueFd();
  SocketMarks marks;
  marks.backlog = kMostScrapes;
  auto bound =
      ListeningSocket::open({.address = settings.address, .port = static_cast<uint16_t>(settings.port)}, marks);
  if (!bound) return fail("metrics are not served: " + bound.error());
  return UniqueFd(bound->release());
}

MetricsServer::MetricsServer(ControlLoop& loop, UniqueFd listener, std::function<std::string()> text)
    : loop_(loop), listener_(std::move(listener)), text_(std::move(text)) {
  loop_.watch(listener_.get(), [this] { accept(); });
}

void MetricsServer::accept() {
  UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket || scrapes_.size() >= size_t{kMostScrapes}) return;
  const int descriptor = socket.get();
  const uint64_t number = ++numbers_;
  scrapes_[descriptor] = Scrape{std::move(socket), number};
  loop_.watch(descriptor, [this, descriptor] { step(descriptor); });
  loop_.after(kMostMs, [this, descriptor, number] {
    const auto found = scrapes_.find(descriptor);
    if (found != scrapes_.end() && found->second.number == number) drop(descriptor);
  });
}

void MetricsServer::step(int descriptor) {
  const auto found = scrapes_.find(descriptor);
  if (found == scrapes_.end()) return;
  Scrape& scrape = found->second;
  std::array<char, 1024> bytes;
  const ssize_t n = ::recv(descriptor, bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0 || scrape.request.size() + static_cast<size_t>(n) > kMostRequest) return drop(descriptor);
  if (!scrape.answer.empty()) return;
  scrape.request.append(bytes.data(), static_cast<size_t>(n));
  if (scrape.request.find("\r\n\r\n") == std::string::npos) return;
  scrape.answer = answer_of(scrape.request, [this] { return fresh_text(); });
  send(scrape);
}

const std::string& MetricsServer::fresh_text() {
  const uint64_t now = monotonic_clock().now_ns();
  if (now - made_ns_ >= kFreshNs || made_.empty()) {
    made_ = text_();
    made_ns_ = now;
  }
  return made_;
}

void MetricsServer::send(Scrape& scrape) {
  const int descriptor = scrape.socket.get();
  while (scrape.sent < scrape.answer.size()) {
    const ssize_t n = ::send(descriptor, scrape.answer.data() + scrape.sent, scrape.answer.size() - scrape.sent,
                             MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) {
      return loop_.after(kAgainMs, [this, descriptor, number = scrape.number] {
        const auto found = scrapes_.find(descriptor);
        if (found != scrapes_.end() && found->second.number == number) send(found->second);
      });
    }
    if (n <= 0) break;
    scrape.sent += static_cast<size_t>(n);
  }
  ::shutdown(descriptor, SHUT_WR);
  drop(descriptor);
}

void MetricsServer::drop(int descriptor) {
  loop_.unwatch(descriptor);
  scrapes_.erase(descriptor);
}

}  // namespace sluice
