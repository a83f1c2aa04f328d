// Threads for slow work: a bounded queue, fair between sources, one item of a connection at a time.
//
// A flood from one address waits behind itself: sources take turns. Whoever is logged in has turns of his own beside
// the strangers of his address, and a part of the queue that strangers cannot fill. Invariant: two items of the same
// line never run at once, and they begin in their order.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "control/async_lane.h"
#include "control/completions.h"

namespace sluice {

// On whose behalf something is done.
struct WorkOrigin {
  std::string source;  // an address
  // Items of one line wait for each other; 0: of none.
  uint64_t line = 0;
  bool logged_in = false;
  // Small enough for a job's stack of 32 KiB, and may pause there while a device computes.
  bool may_pause = false;
};

// Where work is done. A pool, or in tests whatever is at hand.
class JobRunner {
 public:
  virtual ~JobRunner() = default;
  // False when the queue is full.
  virtual bool submit(const WorkOrigin& origin, Job job) = 0;
  // `lost` runs in the place of the rest of a job that may pause and whose device never answered.
  virtual bool submit(const WorkOrigin& origin, Job job, Job) { return submit(origin, std::move(job)); }
};

// A quarter of the machine's cores: the rest moves data.
size_t default_work_threads();

struct WorkPoolLimits {
  size_t threads = default_work_threads();
  size_t queued = 1024;     // in all
  size_t strangers = 768;   // of those who are not logged in: a flood of handshakes must not end a session's rekeying
  size_t per_source = 128;  // of one source: what a flood from one address can make others wait for
  // Items of a thread that a device is computing for; 0: no item pauses.
  size_t paused_per_thread = 0;
  // A device has not answered for so long that it never will. From a thread of the pool.
  std::function<void()> on_stuck = {};
};

// How long a device may take.
inline constexpr uint64_t kStuckNs = uint64_t{3} * 1000000000u;

class WorkPool final : public JobRunner {
 public:
  explicit WorkPool(const WorkPoolLimits& limits = {});
  // Waits for what is being worked on; what is queued is dropped.
  ~WorkPool() override;
  WorkPool(const WorkPool&) = delete;
  WorkPool& operator=(const WorkPool&) = delete;

  bool submit(const WorkOrigin& origin, Job job) override { return submit(origin, std::move(job), {}); }
  bool submit(const WorkOrigin& origin, Job job, Job lost) override;
  // Nothing is queued or worked on: who asks would wait for two thread switches and for nobody else.
  bool idle() const { return open_.load(std::memory_order_relaxed) == 0; }
  // `then` runs in run_finished(), on the thread that calls it; also where a device never answered and the work is not
  // done.
  bool run(const WorkOrigin& origin, Job work, Job then);
  size_t run_finished() { return finished_.run(); }
  // Readable when there are continuations to run.
  int finished_descriptor() const { return finished_.descriptor(); }

 private:
  struct Item {
    uint64_t line = 0;
    bool logged_in = false;
    bool may_pause = false;
    Job job;
    Job lost;
  };
  void work_until_stopped();
  void work_with_pauses();
  void poll_lane(AsyncLane& lane);
  bool take_next(Item& next);
  void finish(uint64_t line);  // of an item
  void wake_lanes() const;

  const WorkPoolLimits limits_;
  Completions finished_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::map<std::string, std::deque<Item>> queues_;
  std::deque<std::string> turns_;  // sources with work, in the order of their turns
  std::unordered_set<uint64_t> running_lines_;
  size_t queued_ = 0;
  size_t strangers_ = 0;
  bool stopping_ = false;
  std::atomic<size_t> open_{0};  // items that are queued or worked on
  int lane_wake_ = -1;           // for threads that wait for devices
  std::vector<std::thread> threads_;
};

}  // namespace sluice
