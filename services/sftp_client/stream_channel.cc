// One loop: turns of the service, what it sent, and a wait for whatever it watches.
#include "services/sftp_client/stream_channel.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "base/check.h"

namespace sluice {
namespace {

constexpr size_t kPlaceBytes = 64 * 1024;
// Of what is sent: a pipe's worth is enough for a program beside us.
constexpr size_t kMostQueued = 1024 * 1024;
// Of what the service keeps for a disk.
constexpr size_t kMostUnconsumed = 4 * 1024 * 1024;
constexpr size_t kReadBytes = 256 * 1024;

}  // namespace

StreamChannel::StreamChannel(std::unique_ptr<Service> service, UniqueFd stream)
    : service_(std::move(service)),
      stream_(std::move(stream)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      buffer_(kReadBytes) {
  // Signals are the caller's thread's.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

StreamChannel::~StreamChannel() { thread_.join(); }

std::optional<DataDraft> StreamChannel::reserve(size_t most) {
  const size_t n = std::min({most, kPlaceBytes, kMostQueued - queued_});
  if (n == 0 || closed_) return std::nullopt;
  queued_ += n;
  Place& place = places_.emplace_back();
  place.bytes.resize(n);
  return DataDraft{place.bytes, first_ + places_.size() - 1, place.bytes.data()};
}

void StreamChannel::finish(const DataDraft& draft, size_t n) {
  Place& place = places_[draft.position - first_];
  SLUICE_CHECK(n <= place.bytes.size() && !place.finished);
  queued_ -= place.bytes.size() - n;
  place.bytes.resize(n);
  place.finished = true;
}

uint64_t StreamChannel::window() const { return kMostQueued - queued_; }

void StreamChannel::request(std::string_view, bool want_reply, Bytes) {
  if (want_reply) ++replies_;
  asked_turn_ = true;
}

bool StreamChannel::watch(int descriptor, Watcher& watcher) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.fd = descriptor;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) != 0) return false;
  watchers_[descriptor] = &watcher;
  return true;
}

void StreamChannel::unwatch(int descriptor) {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, descriptor, nullptr);
  watchers_.erase(descriptor);
}

void StreamChannel::run() {
  epoll_event event{};
  event.data.fd = stream_.get();
  broken_ = ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, stream_.get(), &event) != 0;
  service_->attach(*this);
  service_->on_confirmed({});
  while (!broken_) {
    take_turns();
    if (writable_ || !places_.empty()) broken_ = !send();
    // What was finished before the close is sent first.
    if (broken_ || (closed_ && places_.empty())) break;
    if (readable_ && unconsumed_ < kMostUnconsumed) {
      broken_ = !receive();
      if (!broken_) asked_turn_ = true;
      continue;
    }
    listen();
    wait();
  }
  if (!closed_) service_->on_eof();
  service_->on_close();
  service_.reset();
  stream_.reset();
}

// A service that goes on asking has something to do, but the stream has its turn in between.
void StreamChannel::take_turns() {
  for (; replies_ > 0 && !closed_; --replies_) service_->on_reply(true);
  asked_turn_ = false;
  if (!closed_) service_->on_turn();
}

void StreamChannel::listen() {
  epoll_event event{};
  event.data.fd = stream_.get();
  if (unconsumed_ < kMostUnconsumed && !closed_) event.events |= EPOLLIN | EPOLLRDHUP;
  if (!places_.empty()) event.events |= EPOLLOUT;
  if (event.events == listened_) return;
  listened_ = event.events;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, stream_.get(), &event);
}

void StreamChannel::wait() {
  std::array<epoll_event, 16> events;
  const int n = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), asked_turn_ ? 0 : -1);
  for (int i = 0; i < n; ++i) {
    const epoll_event& event = events[static_cast<size_t>(i)];
    if (event.data.fd == stream_.get()) {
      readable_ = readable_ || (event.events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
      writable_ = writable_ || (event.events & EPOLLOUT) != 0;
      continue;
    }
    const auto found = watchers_.find(event.data.fd);
    if (found != watchers_.end()) found->second->on_ready(event.events);
  }
}

bool StreamChannel::send() {
  writable_ = false;
  bool moved = false;
  while (!places_.empty() && places_.front().finished) {
    Place& place = places_.front();
    while (place.sent < place.bytes.size()) {
      const ssize_t n = ::send(stream_.get(), place.bytes.data() + place.sent, place.bytes.size() - place.sent,
                               MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) {
        asked_turn_ = asked_turn_ || moved;
        return errno == EAGAIN || errno == EWOULDBLOCK;
      }
      place.sent += static_cast<size_t>(n);
      moved = true;
    }
    queued_ -= place.bytes.size();
    places_.pop_front();
    ++first_;
  }
  // There is room again.
  asked_turn_ = asked_turn_ || moved;
  return true;
}

bool StreamChannel::receive() {
  readable_ = false;
  while (true) {
    const ssize_t n = ::recv(stream_.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
    if (n == 0) return false;
    // Level-triggered: what is left is told again.
    unconsumed_ += static_cast<size_t>(n);
    const MutableBytes piece(buffer_.data(), static_cast<size_t>(n));
    if (!closed_) service_->on_data({&piece, 1});
    return true;
  }
}

}  // namespace sluice
