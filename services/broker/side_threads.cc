// Detached threads with small stacks; the last one out is waited for by count.
#include "services/broker/side_threads.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <chrono>

#include "base/check.h"

namespace sluice {
namespace {

// getaddrinfo is the hungriest.
constexpr size_t kStack = 512 << 10;
constexpr auto kIdle = std::chrono::seconds(2);

}  // namespace

SideThreads::SideThreads(EventLoop& loop) : loop_(loop), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  SLUICE_CHECK(wake_ && loop_.watch(wake_.get(), EPOLLIN, [this](uint32_t) { deliver(); }));
}

SideThreads::~SideThreads() {
  loop_.unwatch(wake_.get());
  std::unique_lock lock(mutex_);
  stopping_ = true;
  queue_.clear();
  for (const auto& job : running_) job->cancelled = true;
  changed_.notify_all();
  changed_.wait(lock, [this] { return threads_ == 0; });
}

bool SideThreads::submit(uint64_t owner, Work work) {
  auto job = std::make_shared<Job>();
  job->owner = owner;
  job->work = std::move(work);
  const std::lock_guard lock(mutex_);
  queue_.push_back(std::move(job));
  if (idle_ >= queue_.size() || threads_ >= kMaxSideThreads) {
    changed_.notify_one();
    return true;
  }
  pthread_attr_t attributes;
  pthread_t thread;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, kStack);
  ::pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  if (::pthread_create(&thread, &attributes, &SideThreads::run_thread, this) == 0) ++threads_;
  ::pthread_attr_destroy(&attributes);
  if (threads_ > 0) return true;
  queue_.pop_back();
  return false;
}

void SideThreads::cancel(uint64_t owner) {
  const std::lock_guard lock(mutex_);
  std::erase_if(queue_, [owner](const auto& job) { return job->owner == owner; });
  for (const auto& job : running_)
    if (job->owner == owner) job->cancelled = true;
}

void* SideThreads::run_thread(void* self) {
  static_cast<SideThreads*>(self)->work();
  return nullptr;
}

// The oldest whose owner does not hold his share already.
std::shared_ptr<SideThreads::Job> SideThreads::take_next() {
  for (auto at = queue_.begin(); at != queue_.end(); ++at) {
    const uint64_t owner = (*at)->owner;
    const auto held =
        std::count_if(running_.begin(), running_.end(), [&](const auto& job) { return job->owner == owner; });
    if (static_cast<size_t>(held) >= kMaxSideThreadsOfLink) continue;
    auto job = *at;
    queue_.erase(at);
    return job;
  }
  return nullptr;
}

void SideThreads::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    std::shared_ptr<Job> job;
    ++idle_;
    changed_.wait_for(lock, kIdle, [&] { return stopping_ || (job = take_next()); });
    --idle_;
    if (!job) break;
    running_.push_back(job);
    lock.unlock();
    Then then = job->work(job->cancelled);
    job->work = nullptr;
    lock.lock();
    running_.remove(job);
    finished_.push_back(std::move(then));
    const uint64_t one = 1;
    (void)!::write(wake_.get(), &one, sizeof one);
    // Another job of the same link may have waited for this one's place.
    if (!queue_.empty()) changed_.notify_one();
  }
  --threads_;
  changed_.notify_all();
}

void SideThreads::deliver() {
  uint64_t count;
  (void)!::read(wake_.get(), &count, sizeof count);
  std::vector<Then> finished;
  {
    const std::lock_guard lock(mutex_);
    finished.swap(finished_);
  }
  for (const Then& then : finished) then();
}

}  // namespace sluice
