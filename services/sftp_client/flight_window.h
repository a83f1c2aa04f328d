// FlightWindow: how many bytes of requests may be unanswered, by what the path was seen to carry.
//
// The least time that an answer took and the bytes that were answered a second give what fills the path; twice that is
// asked for, so that a faster path is noticed, within bounds. Before anything was measured the path is taken for a
// gigabit wide: of a long one the calls before the first file have told the length, and doubling from little would cost
// as many round trips as it takes.
#pragma once

#include <algorithm>
#include <cstdint>

namespace sluice {

class FlightWindow {
 public:
  // Below the least a worker's turn would not be filled; the most is memory, here and in the server.
  static constexpr uint64_t kLeast = uint64_t{2} << 20;
  static constexpr uint64_t kMost = uint64_t{64} << 20;

  bool has_room() const { return in_flight_ < target_; }
  uint64_t room() const { return has_room() ? target_ - in_flight_ : 0; }
  uint64_t in_flight() const { return in_flight_; }
  uint64_t target() const { return target_; }
  uint64_t round_trip_ns() const { return round_trip_ns_; }

  void sent(uint64_t bytes, uint64_t now_ns) {
    if (!begun_) begin_wide();
    if (in_flight_ == 0) begin(now_ns);
    in_flight_ += bytes;
  }
  void unsent(uint64_t bytes) { in_flight_ -= std::min(bytes, in_flight_); }
  // An answer to a request of so many bytes that was sent then.
  void answered(uint64_t bytes, uint64_t sent_ns, uint64_t now_ns) {
    in_flight_ -= std::min(bytes, in_flight_);
    took(now_ns - sent_ns);
    period_bytes_ += bytes;
    const uint64_t passed = now_ns - period_ns_;
    // A period is a window's worth, and never so short that the clock's steps show.
    if (period_bytes_ < target_ || passed < kShortest) return;
    const double path =
        static_cast<double>(period_bytes_) / static_cast<double>(passed) * static_cast<double>(round_trip_ns_);
    const auto wanted = static_cast<uint64_t>(std::min(2 * path, static_cast<double>(kMost))) + kLeast / 2;
    // Down in steps: one slow moment is no path.
    target_ = std::clamp(std::max(wanted, target_ - target_ / 8), kLeast, kMost);
    begin(now_ns);
  }
  // Of a small request: the best measure there is, before data fills the path.
  void took(uint64_t ns) {
    if (round_trip_ns_ == 0 || ns < round_trip_ns_) round_trip_ns_ = std::max<uint64_t>(ns, 1);
  }

 private:
  static constexpr uint64_t kShortest = 200'000;
  // A gigabit a second, in nanoseconds a byte; no more at first than half of what there ever is.
  static constexpr uint64_t kFirstNsOfByte = 8;

  void begin_wide() {
    begun_ = true;
    target_ = std::clamp(round_trip_ns_ / kFirstNsOfByte, kLeast, kMost / 2);
  }
  void begin(uint64_t now_ns) {
    period_ns_ = now_ns;
    period_bytes_ = 0;
  }

  bool begun_ = false;
  uint64_t target_ = kLeast;
  uint64_t in_flight_ = 0;
  uint64_t round_trip_ns_ = 0;
  uint64_t period_ns_ = 0;
  uint64_t period_bytes_ = 0;
};

}  // namespace sluice
