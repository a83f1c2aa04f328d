// SideThreads: a few threads, started at need and ended when idle, for what would make a broker's links wait.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "services/broker/event_loop.h"

namespace sluice {

// Names that do not resolve and disks that hang hold one each; what comes then waits its turn.
inline constexpr size_t kMaxSideThreads = 4;
// Of these one link may hold this many.
inline constexpr size_t kMaxSideThreadsOfLink = 2;

class SideThreads {
 public:
  // Work runs aside and returns what the loop's thread is to do with the result.
  using Then = std::function<void()>;
  using Work = std::function<Then(const std::atomic<bool>& cancelled)>;

  explicit SideThreads(EventLoop& loop);
  // Cancels everything and waits for what runs.
  ~SideThreads();
  SideThreads(const SideThreads&) = delete;
  SideThreads& operator=(const SideThreads&) = delete;

  // False: no thread can be had.
  bool submit(uint64_t owner, Work work);
  // Nothing of the owner is begun any more, and what runs is told to give up. Its results still come.
  void cancel(uint64_t owner);

 private:
  struct Job {
    uint64_t owner;
    Work work;
    std::atomic<bool> cancelled{false};
  };

  static void* run_thread(void* self);
  void work();
  std::shared_ptr<Job> take_next();
  void deliver();

  EventLoop& loop_;
  UniqueFd wake_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<std::shared_ptr<Job>> queue_;
  std::list<std::shared_ptr<Job>> running_;
  std::vector<Then> finished_;
  size_t threads_ = 0;
  size_t idle_ = 0;
  bool stopping_ = false;
};

}  // namespace sluice
