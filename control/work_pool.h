// Threads for slow work: bounded queues, fair between sources, one item of a connection at a time.
//
// There are two lanes that take turns. In the strangers' a flood waits behind itself: it is bounded, in all and of one
// source, and sources take turns. In the sessions' sources take turns too, but nobody is refused: whoever is logged in
// has a few items at most, and there are as many of him as sessions are let in. So however many rekey at once, each
// gets his keys, and strangers delay him by one item. Invariant: two items of the same line never run at once, and they
// begin in their order.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "control/async_lane.h"
#include "control/completions.h"

namespace sluice {

// On whose behalf something is done.
struct WorkOrigin {
  std::string source = {};  // an address
  // Items of one line wait for each other; 0: of none.
  uint64_t line = 0;
  bool logged_in = false;
  // Small enough for a job's stack of 32 KiB, and may pause there while a device computes.
  bool may_pause = false;
};

// Of one line that is logged in, what may wait: more than any asks for, so that nobody is refused.
inline constexpr size_t kWaitingOfSession = 4;

// Where work is done. A pool, or in tests whatever is at hand.
class JobRunner {
 public:
  virtual ~JobRunner() = default;
  // False when the queue is full.
  virtual bool submit(const WorkOrigin& origin, Job job) = 0;
  // `lost` runs in the place of the rest of a job that may pause and whose device never answered.
  virtual bool submit_pausable(const WorkOrigin& origin, Job job, Job) { return submit(origin, std::move(job)); }
  // Drops what waits of a line, whose connection has ended; returns how many. Else whoever comes, asks and goes would
  // leave more behind than there may be sessions.
  virtual size_t forget(uint64_t) { return 0; }
};

// A quarter of the machine's cores: the rest moves data.
size_t default_work_threads();

struct WorkPoolLimits {
  size_t threads = default_work_threads();
  size_t strangers = 768;   // queued of those who are not logged in: memory that a flood can have
  size_t per_source = 128;  // of these of one source, and of one's work that has no line
  // Threads that strangers' work never has: it may wait for a name service, and a rekey must not wait behind that.
  size_t kept_for_sessions = 0;
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
  bool submit_pausable(const WorkOrigin& origin, Job job, Job lost) override {
    return submit(origin, std::move(job), std::move(lost));
  }
  size_t forget(uint64_t line) override;
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
    bool holds_thread = false;  // a stranger's, from its begin to its end
    bool may_pause = false;
    Job job;
    Job lost;
  };
  using Queue = std::list<Item>;
  struct Lane {
    std::map<std::string, Queue> sources;
    std::deque<std::string> turns;  // sources with work, in the order of their turns
    size_t queued = 0;
  };
  struct Place {
    Lane* lane;
    std::map<std::string, Queue>::iterator source;
    Queue::iterator item;
  };
  // What is known of a line while it has work.
  struct Line {
    bool running = false;
    std::deque<Place> waiting;
  };
  bool submit(const WorkOrigin& origin, Job job, Job lost);
  bool has_room(const WorkOrigin& origin, const Lane& lane) const;
  bool may_begin(const Item& item) const;
  static Item take_out(const Place& place);
  void work_until_stopped();
  void work_with_pauses();
  void poll_lane(AsyncLane& lane);
  bool take_next(Item& next);
  bool take_from(Lane& lane, Item& next);
  void finish(uint64_t line, bool held_thread);  // of an item
  void wake_lanes() const;

  const WorkPoolLimits limits_;
  Completions finished_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::array<Lane, 2> lanes_;  // strangers, sessions
  size_t next_lane_ = 0;
  size_t holding_threads_ = 0;
  std::unordered_map<uint64_t, Line> lines_;
  bool stopping_ = false;
  std::atomic<size_t> open_{0};  // items that are queued or worked on
  int lane_wake_ = -1;           // for threads that wait for devices
  std::vector<std::thread> threads_;
};

}  // namespace sluice
