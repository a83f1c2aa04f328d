// epoll, and a sorted list of times.
#include "services/broker/event_loop.h"

#include <sys/epoll.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <climits>

#include "base/check.h"

namespace sluice {
namespace {

// Taken before timers get their turn.
constexpr int kEventsARound = 32;

}  // namespace

EventLoop::EventLoop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) { SLUICE_CHECK(epoll_); }

bool EventLoop::watch(int descriptor, uint32_t events, Ready ready) {
  epoll_event event{};
  event.events = events;
  event.data.fd = descriptor;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) != 0) return false;
  watched_[descriptor] = std::make_shared<Ready>(std::move(ready));
  return true;
}

void EventLoop::change(int descriptor, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = descriptor;
  SLUICE_CHECK(::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, descriptor, &event) == 0);
}

void EventLoop::unwatch(int descriptor) {
  if (watched_.erase(descriptor) != 0) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, descriptor, nullptr);
}

int64_t EventLoop::now_ms() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000;
}

void EventLoop::after(int64_t ms, std::function<void()> then) { timers_.emplace(now_ms() + ms, std::move(then)); }

int EventLoop::next_wait_ms() const {
  if (timers_.empty()) return -1;
  return static_cast<int>(std::clamp<int64_t>(timers_.begin()->first - now_ms(), 0, INT_MAX));
}

void EventLoop::run_timers() {
  // Those that are added meanwhile wait for the next round.
  const int64_t now = now_ms();
  while (!stopping_ && !timers_.empty() && timers_.begin()->first <= now) {
    const auto then = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    then();
  }
}

void EventLoop::run() {
  std::array<epoll_event, kEventsARound> events;
  while (!stopping_) {
    const int n = ::epoll_wait(epoll_.get(), events.data(), kEventsARound, next_wait_ms());
    for (int i = 0; i < n && !stopping_; ++i) {
      // One handler may have unwatched the next one's descriptor.
      const auto found = watched_.find(events[static_cast<size_t>(i)].data.fd);
      if (found == watched_.end()) continue;
      const std::shared_ptr<Ready> ready = found->second;
      (*ready)(events[static_cast<size_t>(i)].events);
    }
    run_timers();
  }
}

}  // namespace sluice
