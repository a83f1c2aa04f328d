// A timer of the channel's.
#include "services/transfer/throttle.h"

#include <sys/timerfd.h>

namespace sluice {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

}  // namespace

bool Throttle::holds_back() {
  const uint64_t wait = capped() ? budget_->bandwidth().wait_ns(monotonic_clock().now_ns()) : 0;
  if (wait == 0) return false;
  if (!timer_) {
    timer_ = UniqueFd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    if (timer_ && !channel_->watch(timer_.get(), *this)) timer_.reset();
  }
  const itimerspec when{{}, {static_cast<time_t>(wait / kSecond), static_cast<long>(wait % kSecond)}};
  if (!timer_ || ::timerfd_settime(timer_.get(), 0, &when, nullptr) != 0) channel_->ask_turn();
  return true;
}

void Throttle::leave() {
  if (timer_) channel_->unwatch(timer_.get());
  timer_.reset();
}

}  // namespace sluice
