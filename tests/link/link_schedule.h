// LinkSchedule: when bytes that enter one direction of a path come out of it: delay, rate, jitter, and losses as what a
// TCP makes of them. No I/O and no clock of its own.
//
// A loss is felt by TCP's users as a stall and a slower stream behind it: what was lost is sent again a round trip
// later (duplicate acknowledgements), or, one time in eight, after a retransmission timeout; the rate is halved and
// grows back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>

namespace sluice::link {

inline constexpr size_t kSegment = 1448;
inline constexpr uint64_t kMillisecond = 1'000'000;
// The least retransmission timeout of Linux.
inline constexpr uint64_t kLeastTimeout = 200 * kMillisecond;
// So many round trips a halved rate takes to be whole again.
inline constexpr uint64_t kRecovery = 10;

struct PathSettings {
  uint64_t delay_ns = 0;   // one way
  uint64_t jitter_ns = 0;  // up to so much more; the order stays
  uint64_t rate = 0;       // bytes a second, 0: whatever comes
  double loss = 0;         // of one segment
  uint64_t seed = 1;

  uint64_t round_trip() const { return 2 * delay_ns > kMillisecond ? 2 * delay_ns : kMillisecond; }
};

class LinkSchedule {
 public:
  explicit LinkSchedule(const PathSettings& settings) : settings_(settings), random_(settings.seed) {}

  // When the last of `bytes`, which enter now, is out. Never earlier than what entered before.
  uint64_t due(uint64_t now, size_t bytes);
  // As many bytes as are scheduled as one.
  size_t grain() const;
  uint64_t losses() const { return losses_; }

 private:
  double rate_at(uint64_t now) const;
  void lose(uint64_t now);
  // In [0, 1).
  double draw() { return static_cast<double>(random_() >> 11) * 0x1.0p-53; }

  const PathSettings settings_;
  std::mt19937_64 random_;
  uint64_t busy_until_ = 0, last_due_ = 0;
  uint64_t lost_at_ = 0;
  double share_at_loss_ = 1;
  uint64_t losses_ = 0;
};

}  // namespace sluice::link
