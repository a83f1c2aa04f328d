// WorkerPool: a few threads for the monitor's slow work, and Completions: the way back to the monitor's own thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace sluice {

using Job = std::function<void()>;

// Where work is done. A pool, or in tests whatever is at hand.
class JobRunner {
 public:
  virtual ~JobRunner() = default;
  // False when the queue is full.
  virtual bool submit(Job job) = 0;
};

class WorkerPool : public JobRunner {
 public:
  WorkerPool(unsigned threads, size_t max_queued);
  // Jobs that have not begun are dropped; those that run are waited for.
  ~WorkerPool() override;
  bool submit(Job job) override;

 private:
  void work();

  const size_t max_queued_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

// Posted by any thread, run by the one that owns the monitor. Shared with jobs, so that one that ends late still has
// where to post.
class Completions {
 public:
  Completions();
  ~Completions();
  Completions(const Completions&) = delete;
  Completions& operator=(const Completions&) = delete;

  void post(Job job);
  // Readable when there is something to run.
  int descriptor() const { return descriptor_; }
  // The number of jobs run.
  size_t run();

 private:
  int descriptor_;
  std::mutex mutex_;
  std::vector<Job> posted_;
};

}  // namespace sluice
