// TokenBucket: so many a second, and a burst of as many at once.
#pragma once

#include <algorithm>
#include <cstdint>

namespace sluice {

class TokenBucket {
 public:
  explicit TokenBucket(uint64_t a_second) : interval_ns_(1'000'000'000 / a_second), most_ns_(1'000'000'000) {}
  bool take(uint64_t now_ns) {
    const uint64_t oldest = now_ns > most_ns_ ? now_ns - most_ns_ : 0;
    spent_ns_ = std::max(spent_ns_, oldest);
    if (spent_ns_ + interval_ns_ > now_ns) return false;
    spent_ns_ += interval_ns_;
    return true;
  }

 private:
  uint64_t interval_ns_;
  uint64_t most_ns_;
  uint64_t spent_ns_ = 0;
};

}  // namespace sluice
