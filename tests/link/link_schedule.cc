// Rates, stalls and recovery of LinkSchedule.
#include "tests/link/link_schedule.h"

#include <algorithm>
#include <cmath>

namespace sluice::link {

uint64_t LinkSchedule::due(uint64_t now, size_t bytes) {
  busy_until_ = std::max(busy_until_, now);
  if (settings_.loss > 0) {
    const double segments = std::ceil(static_cast<double>(bytes) / kSegment);
    if (draw() < 1 - std::pow(1 - settings_.loss, segments)) lose(busy_until_);
  }
  if (settings_.rate > 0) {
    busy_until_ += static_cast<uint64_t>(static_cast<double>(bytes) * 1e9 / rate_at(busy_until_));
  }
  uint64_t due = busy_until_ + settings_.delay_ns;
  if (settings_.jitter_ns > 0) due += static_cast<uint64_t>(draw() * static_cast<double>(settings_.jitter_ns));
  return last_due_ = std::max(due, last_due_);
}

size_t LinkSchedule::grain() const {
  if (settings_.rate == 0) return 256 * 1024;
  // A millisecond's worth, in whole segments.
  const size_t wanted = settings_.rate / 1000 / kSegment * kSegment;
  return std::clamp<size_t>(wanted, kSegment, 256 * 1024);
}

double LinkSchedule::rate_at(uint64_t now) const {
  double share = 1;
  if (lost_at_ != 0) {
    const double grown =
        static_cast<double>(now - std::min(now, lost_at_)) / static_cast<double>(kRecovery * settings_.round_trip());
    share = std::min(1.0, share_at_loss_ + grown * 0.5);
  }
  return static_cast<double>(settings_.rate) * share;
}

void LinkSchedule::lose(uint64_t now) {
  ++losses_;
  const uint64_t round_trip = settings_.round_trip();
  const bool timeout = draw() < 0.125;
  busy_until_ += timeout ? std::max(kLeastTimeout, 2 * round_trip) : round_trip;
  const double share = settings_.rate > 0 ? rate_at(now) / static_cast<double>(settings_.rate) : 1;
  // No stream starves: a sixteenth is always left.
  share_at_loss_ = std::max(share / 2, 1.0 / 16);
  lost_at_ = busy_until_;
}

}  // namespace sluice::link
