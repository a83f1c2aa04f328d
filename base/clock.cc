// The monotonic clock.
#include "base/clock.h"

#include <ctime>

namespace sluice {
namespace {

class MonotonicClock final : public Clock {
 public:
  uint64_t now_ns() const override {
    timespec now;
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
  }
};

}  // namespace

const Clock& monotonic_clock() {
  static const MonotonicClock clock;
  return clock;
}

}  // namespace sluice
