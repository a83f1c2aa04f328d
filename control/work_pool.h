// Threads for big-number work: a bounded queue, fair between sources, with continuations back on the control thread.
//
// A flood of handshakes from one address waits behind itself: sources take turns. Invariant: a continuation runs only
// in run_finished(), on the thread that calls it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace sluice {

struct WorkPoolLimits {
  size_t threads = 1;
  size_t queued = 1024;     // in all
  size_t per_source = 128;  // of one source: what a flood from one address can make others wait for
};

class WorkPool {
 public:
  explicit WorkPool(const WorkPoolLimits& limits = {});
  // Waits for what is being worked on; what is queued is dropped.
  ~WorkPool();
  WorkPool(const WorkPool&) = delete;
  WorkPool& operator=(const WorkPool&) = delete;

  // False when the queue is full.
  bool run(const std::string& source, std::function<void()> work, std::function<void()> then);
  // Continuations of what was finished since. Readiness of finished_descriptor() says that there are some.
  size_t run_finished();
  int finished_descriptor() const { return wake_; }

 private:
  struct Item {
    std::function<void()> work;
    std::function<void()> then;
  };
  void work_until_stopped();

  WorkPoolLimits limits_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::map<std::string, std::deque<Item>> queues_;
  std::deque<std::string> turns_;  // sources with work, in the order of their turns
  size_t queued_ = 0;
  bool stopping_ = false;
  std::deque<std::function<void()>> finished_;
  int wake_;
  std::vector<std::thread> threads_;
};

}  // namespace sluice
