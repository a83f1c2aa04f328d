// Round robin over sources.
#include "control/work_pool.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

#include "base/check.h"

namespace sluice {

WorkPool::WorkPool(const WorkPoolLimits& limits) : limits_(limits), wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  SLUICE_CHECK(wake_ >= 0);
  for (size_t i = 0; i < limits.threads; ++i) threads_.emplace_back([this] { work_until_stopped(); });
}

WorkPool::~WorkPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ready_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  ::close(wake_);
}

bool WorkPool::run(const std::string& source, std::function<void()> work, std::function<void()> then) {
  {
    const std::lock_guard lock(mutex_);
    if (queued_ == limits_.queued) return false;
    auto& queue = queues_[source];
    if (queue.size() == limits_.per_source) return false;
    if (queue.empty()) turns_.push_back(source);
    queue.push_back({std::move(work), std::move(then)});
    ++queued_;
  }
  ready_.notify_one();
  return true;
}

void WorkPool::work_until_stopped() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ready_.wait(lock, [this] { return stopping_ || !turns_.empty(); });
    if (stopping_) return;
    const std::string source = std::move(turns_.front());
    turns_.pop_front();
    auto& queue = queues_[source];
    Item item = std::move(queue.front());
    queue.pop_front();
    --queued_;
    if (queue.empty()) {
      queues_.erase(source);
    } else {
      turns_.push_back(source);
    }
    lock.unlock();
    item.work();
    // The work's captures go here, off the control thread: keys and exchanges are wiped as they are dropped.
    item.work = nullptr;
    lock.lock();
    finished_.push_back(std::move(item.then));
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t n = ::write(wake_, &one, sizeof one);
  }
}

size_t WorkPool::run_finished() {
  uint64_t count;
  [[maybe_unused]] const ssize_t n = ::read(wake_, &count, sizeof count);
  std::deque<std::function<void()>> ready;
  {
    const std::lock_guard lock(mutex_);
    ready.swap(finished_);
  }
  for (const auto& then : ready) then();
  return ready.size();
}

}  // namespace sluice
