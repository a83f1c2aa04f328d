// RateLimit: bytes a second that several transfers, on any workers, have together.
#pragma once

#include <cstdint>
#include <mutex>

namespace sluice {

class RateLimit {
 public:
  explicit RateLimit(uint64_t bytes_per_second) : rate_(bytes_per_second) {}

  // Nanoseconds until bytes may move again; 0: now.
  uint64_t wait_ns(uint64_t now_ns);
  // What moved; it may go into debt by what one request moves.
  void spend(uint64_t bytes);
  uint64_t rate() const { return rate_; }

 private:
  const uint64_t rate_;
  std::mutex lock_;
  int64_t left_ = 0;
  uint64_t filled_ns_ = 0;
};

}  // namespace sluice
