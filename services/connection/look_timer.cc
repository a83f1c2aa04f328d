// A periodic timerfd, watched like any other descriptor.
#include "services/connection/look_timer.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"

namespace sluice {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;

}  // namespace

LookTimer::LookTimer(ChannelHost& host, uint64_t period_ns, std::function<void(uint64_t)> look)
    : host_(host), look_(std::move(look)), timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
  if (!timer_) return;
  const timespec step{static_cast<time_t>(period_ns / kSecondNs), static_cast<long>(period_ns % kSecondNs)};
  const itimerspec every{step, step};
  ::timerfd_settime(timer_.get(), 0, &every, nullptr);
  host_.watch(timer_.get(), *this);
}

LookTimer::~LookTimer() {
  if (timer_) host_.unwatch(timer_.get());
}

void LookTimer::on_ready(uint32_t) {
  uint64_t expired = 0;
  if (::read(timer_.get(), &expired, sizeof expired) > 0) look_(monotonic_clock().now_ns());
}

}  // namespace sluice
