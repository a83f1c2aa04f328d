// Where time comes from: the machine's monotonic clock, or one that a test moves.
#pragma once

#include <cstdint>

namespace sluice {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual uint64_t now_ns() const = 0;
};

const Clock& monotonic_clock();

// Virtual time for one thread. With a `step`, every look at it takes that long, so that code which polls gets on.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(uint64_t step_ns = 0) : step_(step_ns) {}
  uint64_t now_ns() const override { return now_ += step_; }
  void advance(uint64_t ns) { now_ += ns; }

 private:
  uint64_t step_;
  // Not 0: a time of 0 reads as "never" in many places.
  mutable uint64_t now_ = 1;
};

}  // namespace sluice
