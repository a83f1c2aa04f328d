// The most memory that trees of processes had at once, looked at again and again by a thread of its own.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "apps/sluice/bench/child_process.h"

namespace sluice::bench {

class MemoryWatch {
 public:
  // Of a short run the first looks must be quick. Each costs a process some 0.1 ms under its memory's lock, and there
  // may be hundreds: of a long run not more than 1 % of one core.
  static constexpr int kFirstLookMs = 4, kLookMs = 100, kRestPerLook = 100;

  // One group's trees count together.
  explicit MemoryWatch(size_t groups) : roots_(groups), most_(groups), thread_([this] { run(); }) {}
  ~MemoryWatch() {
    {
      const std::lock_guard lock(sleep_);
      stopping_ = true;
    }
    over_.notify_one();
    thread_.join();
  }
  MemoryWatch(const MemoryWatch&) = delete;
  MemoryWatch& operator=(const MemoryWatch&) = delete;

  void add(size_t group, pid_t root) {
    const std::lock_guard lock(mutex_);
    roots_[group].push_back(root);
  }
  uint64_t most_bytes(size_t group) {
    look();
    const std::lock_guard lock(mutex_);
    return most_[group];
  }

 private:
  void run() {
    std::unique_lock lock(sleep_);
    for (int ms = kFirstLookMs; !stopping_; ms = std::min(2 * ms, kLookMs)) {
      const auto began = std::chrono::steady_clock::now();
      look();
      const auto took = std::chrono::steady_clock::now() - began;
      const auto rest = std::max<std::chrono::nanoseconds>(std::chrono::milliseconds(ms), kRestPerLook * took);
      over_.wait_for(lock, rest, [this] { return stopping_.load(); });
    }
  }
  void look() {
    std::vector<std::vector<pid_t>> roots;
    {
      const std::lock_guard lock(mutex_);
      roots = roots_;
    }
    for (size_t group = 0; group < roots.size(); ++group) {
      uint64_t now = 0;
      for (const pid_t root : roots[group]) now += tree_use(root).memory_bytes;
      const std::lock_guard lock(mutex_);
      most_[group] = std::max(most_[group], now);
    }
  }

  std::mutex mutex_;
  std::vector<std::vector<pid_t>> roots_;
  std::vector<uint64_t> most_;
  std::mutex sleep_;
  std::condition_variable over_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace sluice::bench
