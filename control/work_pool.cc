// Round robin over sources. A mutex and a condition are enough: items take tens of microseconds at least.
#include "control/work_pool.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/clock.h"

namespace sluice {
namespace {

constexpr size_t kCoresPerThread = 4;
constexpr size_t kMostThreads = 16;
// Another thread may have taken the wake-up and be full.
constexpr int kLanePollMs = 5;

// Turns of those who are logged in, apart from the strangers of their address.
std::string queue_name(const WorkOrigin& origin) {
  std::string name = origin.source;
  name.push_back(origin.logged_in ? '+' : '-');
  return name;
}

}  // namespace

size_t default_work_threads() {
  return std::clamp<size_t>(std::thread::hardware_concurrency() / kCoresPerThread, 1, kMostThreads);
}

WorkPool::WorkPool(const WorkPoolLimits& limits) : limits_(limits) {
  SLUICE_CHECK(limits.threads > 0);
  const bool with_pauses = limits.paused_per_thread > 0 && AsyncLane::possible();
  if (with_pauses) {
    lane_wake_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    SLUICE_CHECK(lane_wake_ >= 0);
  }
  for (size_t i = 0; i < limits.threads; ++i)
    threads_.emplace_back([this, with_pauses] { with_pauses ? work_with_pauses() : work_until_stopped(); });
}

WorkPool::~WorkPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ready_.notify_all();
  wake_lanes();
  for (std::thread& thread : threads_) thread.join();
  if (lane_wake_ >= 0) ::close(lane_wake_);
}

void WorkPool::wake_lanes() const {
  const uint64_t one = 1;
  if (lane_wake_ >= 0) (void)!::write(lane_wake_, &one, sizeof one);
}

bool WorkPool::submit(const WorkOrigin& origin, Job job, Job lost) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || queued_ >= limits_.queued) return false;
    if (!origin.logged_in && strangers_ >= limits_.strangers) return false;
    const std::string name = queue_name(origin);
    auto& queue = queues_[name];
    if (queue.size() >= limits_.per_source) return false;
    if (queue.empty()) turns_.push_back(name);
    queue.push_back({origin.line, origin.logged_in, origin.may_pause, std::move(job), std::move(lost)});
    ++queued_;
    open_.fetch_add(1, std::memory_order_relaxed);
    if (!origin.logged_in) ++strangers_;
  }
  ready_.notify_one();
  wake_lanes();
  return true;
}

bool WorkPool::run(const WorkOrigin& origin, Job work, Job then) {
  Job lost;
  if (origin.may_pause) lost = [this, then] { finished_.post(then); };
  Job job = [this, work = std::move(work), then = std::move(then)]() mutable {
    work();
    // The work's captures go here, off the control thread: keys and exchanges are wiped as they are dropped.
    work = nullptr;
    finished_.post(std::move(then));
  };
  return submit(origin, std::move(job), std::move(lost));
}

// The first item, in the order of turns, whose line is free.
bool WorkPool::take_next(Item& next) {
  for (size_t looked_at = turns_.size(); looked_at > 0; --looked_at) {
    const std::string name = std::move(turns_.front());
    turns_.pop_front();
    auto& queue = queues_[name];
    const auto item = std::find_if(queue.begin(), queue.end(), [this](const Item& waiting) {
      return waiting.line == 0 || !running_lines_.contains(waiting.line);
    });
    const bool found = item != queue.end();
    if (found) {
      next = std::move(*item);
      queue.erase(item);
      --queued_;
      if (!next.logged_in) --strangers_;
      if (next.line != 0) running_lines_.insert(next.line);
    }
    if (queue.empty()) {
      queues_.erase(name);
    } else {
      turns_.push_back(name);
    }
    if (found) return true;
  }
  return false;
}

// Whoever woke for what waited for this line has gone back to sleep.
void WorkPool::finish(uint64_t line) {
  open_.fetch_sub(1, std::memory_order_relaxed);
  if (line == 0) return;
  const std::lock_guard lock(mutex_);
  running_lines_.erase(line);
  if (turns_.empty()) return;
  ready_.notify_one();
  wake_lanes();
}

void WorkPool::work_until_stopped() {
  for (;;) {
    Item item;
    {
      std::unique_lock lock(mutex_);
      ready_.wait(lock, [&] { return stopping_ || take_next(item); });
      if (stopping_) return;
    }
    item.job();
    item.job = nullptr;
    finish(item.line);
  }
}

// The same, with a device between start and end of some.
void WorkPool::work_with_pauses() {
  AsyncLane lane(limits_.paused_per_thread);
  for (;;) {
    Item item;
    {
      std::unique_lock lock(mutex_);
      if (lane.paused() == 0)
        ready_.wait(lock, [&] { return stopping_ || take_next(item); });
      else if (!stopping_ && !lane.full())
        take_next(item);
      const bool stuck = lane.paused() > 0 && monotonic_clock().now_ns() - lane.oldest_ns() > kStuckNs;
      if (stopping_ && (lane.paused() == 0 || stuck)) return;
    }
    if (!item.job) {
      poll_lane(lane);
    } else if (item.may_pause) {
      lane.start(
          std::move(item.job), [this, line = item.line] { finish(line); },
          [this, line = item.line, lost = std::move(item.lost)] {
            finish(line);
            if (lost) lost();
          });
    } else {
      item.job();
      item.job = nullptr;
      finish(item.line);
    }
  }
}

void WorkPool::poll_lane(AsyncLane& lane) {
  // Cleared before the queue is looked at again: what is added later wakes again.
  lane.poll(lane_wake_, kLanePollMs);
  uint64_t count;
  (void)!::read(lane_wake_, &count, sizeof count);
  if (lane.paused() == 0 || monotonic_clock().now_ns() - lane.oldest_ns() <= kStuckNs) return;
  // Those who wait for it end, others must not wait behind them.
  lane.abandon(kStuckNs);
  if (limits_.on_stuck) limits_.on_stuck();
}

}  // namespace sluice
