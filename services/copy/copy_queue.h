// CopyQueue: files that were found and wait to be copied; bounded, so that a tree without end costs no memory.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>

#include "services/copy/copy_item.h"

namespace sluice {

class CopyQueue {
 public:
  // Waits while it is full. False: nobody copies any more.
  bool push(CopyItem item) {
    std::unique_lock held(lock_);
    changed_.wait(held, [this] { return stopped_ || items_.size() < kMost; });
    if (stopped_) return false;
    items_.push_back(std::move(item));
    changed_.notify_all();
    return true;
  }
  // No more come.
  void finish() {
    const std::lock_guard held(lock_);
    finished_ = true;
    changed_.notify_all();
  }
  void stop() {
    const std::lock_guard held(lock_);
    stopped_ = true;
    items_.clear();
    changed_.notify_all();
  }
  // One, and more behind it as long as `joins` says so of both; empty: there are none and come none.
  template <class Joins>
  std::vector<CopyItem> take(size_t most, Joins joins) {
    std::unique_lock held(lock_);
    changed_.wait(held, [this] { return stopped_ || finished_ || !items_.empty(); });
    std::vector<CopyItem> taken;
    while (!items_.empty() && taken.size() < most) {
      const bool more = joins(items_.front());
      if (!more && !taken.empty()) break;
      taken.push_back(std::move(items_.front()));
      items_.pop_front();
      if (!more) break;
    }
    changed_.notify_all();
    return taken;
  }

 private:
  static constexpr size_t kMost = 2048;
  std::mutex lock_;
  std::condition_variable changed_;
  std::deque<CopyItem> items_;
  bool finished_ = false, stopped_ = false;
};

}  // namespace sluice
