// Round robin over sources. A mutex and a condition are enough: items take tens of microseconds at least.
#include "control/work_pool.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace sluice {
namespace {

constexpr size_t kCoresPerThread = 4;
constexpr size_t kMostThreads = 16;

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
  for (size_t i = 0; i < limits.threads; ++i) threads_.emplace_back([this] { work_until_stopped(); });
}

WorkPool::~WorkPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ready_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool WorkPool::submit(const WorkOrigin& origin, Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || queued_ >= limits_.queued) return false;
    if (!origin.logged_in && strangers_ >= limits_.strangers) return false;
    const std::string name = queue_name(origin);
    auto& queue = queues_[name];
    if (queue.size() >= limits_.per_source) return false;
    if (queue.empty()) turns_.push_back(name);
    queue.push_back({origin.line, origin.logged_in, std::move(job)});
    ++queued_;
    if (!origin.logged_in) ++strangers_;
  }
  ready_.notify_one();
  return true;
}

bool WorkPool::run(const WorkOrigin& origin, Job work, Job then) {
  return submit(origin, [this, work = std::move(work), then = std::move(then)]() mutable {
    work();
    // The work's captures go here, off the control thread: keys and exchanges are wiped as they are dropped.
    work = nullptr;
    finished_.post(std::move(then));
  });
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

void WorkPool::work_until_stopped() {
  std::unique_lock lock(mutex_);
  for (;;) {
    Item item;
    ready_.wait(lock, [&] { return stopping_ || take_next(item); });
    if (!item.job) return;
    --queued_;
    if (!item.logged_in) --strangers_;
    if (item.line != 0) running_lines_.insert(item.line);
    lock.unlock();
    item.job();
    item.job = nullptr;
    lock.lock();
    // Whoever woke for what waited for this line has gone back to sleep.
    if (running_lines_.erase(item.line) > 0 && !turns_.empty()) ready_.notify_one();
  }
}

}  // namespace sluice
