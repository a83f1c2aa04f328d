// FramePath: one direction of a bad Ethernet link: frames go in, and come out late, in another order, twice, damaged,
// or never; all of it by a seed. No I/O and no clock of its own.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <vector>

#include "base/bytes.h"

namespace sluice::link {

struct FramePathSettings {
  uint64_t delay_ns = 0;    // one way
  uint64_t rate = 0;        // bytes a second; 0: whatever comes
  size_t buffer = 1 << 20;  // bytes that wait for the rate; what does not fit is lost, as in a router
  // Of each frame, one after the other.
  double loss = 0;
  double duplicate = 0;
  double corrupt = 0;  // one bit behind Ethernet's header
  double reorder = 0;  // late by so much more
  uint64_t reorder_ns = 1'000'000;
  uint64_t seed = 1;
};

struct FramePathCounts {
  uint64_t in = 0, out = 0, lost = 0, overflowed = 0, duplicated = 0, corrupted = 0, reordered = 0;
};

class FramePath {
 public:
  explicit FramePath(const FramePathSettings& settings) : settings_(settings), random_(settings.seed) {}

  void put(Bytes frame, uint64_t now_ns);
  // The frames that are due, in order. Each is gone when `take` says that it has it.
  template <class F>
  void take_due(uint64_t now_ns, F&& take) {
    while (!waiting_.empty() && waiting_.begin()->first <= now_ns) {
      if (!take(Bytes(waiting_.begin()->second))) return;
      waiting_.erase(waiting_.begin());
      ++counts_.out;
    }
  }
  // UINT64_MAX: nothing is under way.
  uint64_t next_due() const { return waiting_.empty() ? UINT64_MAX : waiting_.begin()->first; }
  const FramePathCounts& counts() const { return counts_; }

 private:
  bool happens(double probability) {
    // A draw each time, so that one setting does not move what the others do.
    const double draw = static_cast<double>(random_() >> 11) * 0x1.0p-53;
    return draw < probability;
  }

  const FramePathSettings settings_;
  std::mt19937_64 random_;
  uint64_t busy_until_ns_ = 0;
  std::multimap<uint64_t, std::vector<uint8_t>> waiting_;
  FramePathCounts counts_;
};

}  // namespace sluice::link
