// Numbers that one thread counts and any thread reads: counters, and histograms of times in fixed memory.
//
// A count is a load and a store, not a locked instruction: there is one writer.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace sluice {

class Counter {
 public:
  void add(uint64_t n = 1) { value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// Four buckets for each doubling: a percentile is at most a quarter too high. Covers 1 ns to 18 minutes.
class LatencyHistogram {
 public:
  static constexpr size_t kPerDoubling = 4;
  static constexpr size_t kBuckets = 40 * kPerDoubling;

  void add(uint64_t ns, uint64_t times = 1) { buckets_[bucket_of(ns)].add(times); }
  uint64_t count(size_t bucket) const { return buckets_[bucket].get(); }

  static size_t bucket_of(uint64_t ns) {
    if (ns < kPerDoubling) return static_cast<size_t>(ns);
    const auto log = static_cast<unsigned>(std::bit_width(ns)) - 1;
    const size_t bucket = (log - 1) * kPerDoubling + ((ns >> (log - 2)) & (kPerDoubling - 1));
    return bucket < kBuckets ? bucket : kBuckets - 1;
  }
  // The first value beyond the bucket.
  static uint64_t bucket_end(size_t bucket) {
    if (bucket < kPerDoubling) return bucket + 1;
    const auto log = static_cast<unsigned>(bucket / kPerDoubling) + 1;
    return (uint64_t{1} << log) + ((bucket % kPerDoubling + 1) << (log - 2));
  }

  uint64_t total() const {
    uint64_t sum = 0;
    for (const Counter& bucket : buckets_) sum += bucket.get();
    return sum;
  }
  // The time that `percent` of all did not exceed; 0 when nothing was counted.
  uint64_t percentile(double percent) const {
    const auto wanted = static_cast<double>(total()) * percent / 100;
    double seen = 0;
    for (size_t i = 0; i < kBuckets; ++i) {
      seen += static_cast<double>(buckets_[i].get());
      if (seen > 0 && seen >= wanted) return bucket_end(i) - 1;
    }
    return 0;
  }

 private:
  std::array<Counter, kBuckets> buckets_;
};

}  // namespace sluice
