// The most memory that trees of processes had at once, looked at again and again by a thread of its own.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

#include "apps/sluice/bench/child_process.h"

namespace sluice::bench {

class MemoryWatch {
 public:
  // Each look costs a process some 0.1 ms under its memory's lock: of a long run not more than 1 % of one core. Of a
  // short one the first looks must be quick.
  static constexpr int kFirstLookMs = 4, kLookMs = 100;

  // One group's trees count together.
  explicit MemoryWatch(size_t groups) : roots_(groups), most_(groups), thread_([this] { run(); }) {}
  ~MemoryWatch() {
    stopping_ = true;
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
    for (int ms = kFirstLookMs; !stopping_; ms = std::min(2 * ms, kLookMs)) {
      look();
      std::this_thread::sleep_for(std::chrono::milliseconds(ms));
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
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace sluice::bench
