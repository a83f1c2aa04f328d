// A timer descriptor in the worker's own loop.
#include "services/connection/idle_clock.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"

namespace sluice {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;
constexpr uint64_t kLooks = 4;

}  // namespace

IdleClock::IdleClock(ConnectionServices& connection) : connection_(connection) {
  const uint64_t period = connection.settings().idle_channel_ns / kLooks;
  if (period == 0) return;
  timer_ = UniqueFd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer_) {
    connection.log(LogLevel::warning, "No timer to be had: idle channels are not closed");
    return;
  }
  const timespec step{static_cast<time_t>(period / kSecondNs), static_cast<long>(period % kSecondNs)};
  const itimerspec every{step, step};
  ::timerfd_settime(timer_.get(), 0, &every, nullptr);
  connection.host().watch(timer_.get(), *this);
}

IdleClock::~IdleClock() {
  if (timer_) connection_.host().unwatch(timer_.get());
}

void IdleClock::on_ready(uint32_t) {
  uint64_t expired = 0;
  if (::read(timer_.get(), &expired, sizeof expired) <= 0) return;
  const uint64_t now = monotonic_clock().now_ns();
  for (auto next = watched_.begin(); next != watched_.end();) (*next++)->on_idle_look(now);
}

}  // namespace sluice
