// RateLimit: bytes a second that several transfers, on any threads, have together.
//
// A bucket that fills with time, kept as the moment at which what moved is paid for: one atomic number, nobody waits
// for anybody. What a pause saves up is a tenth of a second's bytes.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace sluice {

class RateLimit {
 public:
  // 0: no limit.
  explicit RateLimit(uint64_t bytes_per_second) : rate_(bytes_per_second) {}
  // From now on; what moved before is owed as it was.
  void set(uint64_t bytes_per_second) { rate_.store(bytes_per_second, std::memory_order_relaxed); }
  uint64_t rate() const { return rate_.load(std::memory_order_relaxed); }
  bool limits() const { return rate() > 0; }

  // Bytes that may move at once: what a tenth of a second brings, but enough to be worth a call.
  size_t most_at_once() const;
  // Nanoseconds until bytes may move again; 0: now.
  uint64_t wait_ns(uint64_t now_ns) const;
  // What moved; it may go into debt by what moved at once.
  void spend(uint64_t bytes, uint64_t now_ns);

 private:
  std::atomic<uint64_t> rate_;
  alignas(64) std::atomic<uint64_t> paid_ns_{0};
};

}  // namespace sluice
