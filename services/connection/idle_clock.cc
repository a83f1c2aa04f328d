// A timer descriptor in the worker's own loop.
#include "services/connection/idle_clock.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>

#include "base/clock.h"

namespace sluice {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;
constexpr uint64_t kLooks = 4;

}  // namespace

IdleClock::IdleClock(ConnectionServices& connection) : connection_(connection), moved_ns_(monotonic_clock().now_ns()) {
  const uint64_t channel = connection.settings().idle_channel_ns, session = connection.settings().idle_session_ns;
  const uint64_t period = (channel == 0 || session == 0 ? channel + session : std::min(channel, session)) / kLooks;
  if (period == 0) return;
  timer_ = UniqueFd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer_) {
    connection.log(LogLevel::warning, "No timer to be had: what is idle is not ended");
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
  for (auto next = watched_.begin(); next != watched_.end();) {
    if ((*next++)->on_idle_look(now)) moved_ns_ = now;
  }
  const uint64_t limit = connection_.settings().idle_session_ns;
  if (limit == 0 || now - moved_ns_ < limit) return;
  // Once; its end takes a moment.
  moved_ns_ = now;
  connection_.log(LogLevel::info, "The session of " + connection_.login().user + " was ended: nothing moved in it");
  connection_.hang_up(ErrorCode::session_idle);
}

}  // namespace sluice
