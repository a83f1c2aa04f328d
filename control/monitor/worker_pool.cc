// A mutex and a condition are enough here: jobs take tens of microseconds at least.
#include "control/monitor/worker_pool.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "base/check.h"

namespace sluice {

WorkerPool::WorkerPool(unsigned threads, size_t max_queued) : max_queued_(max_queued) {
  SLUICE_CHECK(threads > 0);
  for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

WorkerPool::~WorkerPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    queue_.clear();
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool WorkerPool::submit(Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || queue_.size() >= max_queued_) return false;
    queue_.push_back(std::move(job));
  }
  changed_.notify_one();
  return true;
}

void WorkerPool::work() {
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      job = std::move(queue_.front());
      queue_.pop_front();
    }
    job();
  }
}

Completions::Completions() : descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) { SLUICE_CHECK(descriptor_ >= 0); }

Completions::~Completions() { ::close(descriptor_); }

void Completions::post(Job job) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = posted_.empty();
    posted_.push_back(std::move(job));
  }
  // One wake-up for all that gathers until the owner looks.
  const uint64_t one = 1;
  if (first) SLUICE_CHECK(::write(descriptor_, &one, sizeof one) == sizeof one);
}

size_t Completions::run() {
  uint64_t count;
  (void)!::read(descriptor_, &count, sizeof count);
  std::vector<Job> jobs;
  {
    const std::lock_guard lock(mutex_);
    jobs.swap(posted_);
  }
  for (Job& job : jobs) job();
  return jobs.size();
}

}  // namespace sluice
