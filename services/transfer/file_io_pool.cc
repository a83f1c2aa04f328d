// Users in turn, each one's jobs in the order in which they came, and a watch on those that do not end.
#include "services/transfer/file_io_pool.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <iterator>
#include <system_error>
#include <utility>

namespace sluice {
namespace {

// Enough to keep a disk's queue from running empty; more would only wait beside each other.
constexpr size_t kThreads = 4;
// Of one user: all threads when nobody else wants one, and beside them some that are stuck.
constexpr size_t kMostOfOne = 4;
constexpr size_t kMostWithStuck = 12;
// With those that hang at somebody's server: more than a few users can block together.
constexpr size_t kMostThreads = 256;
// Descriptors of files whose servers do not let go of them.
constexpr size_t kMostCloses = 64;

}  // namespace

void FileJob::fail_with(int number) {
  // Whoever lets go of a file closes it all the same.
  if (kind != Kind::close) error = number;
  for (WriteMark& mark : marks) mark.error = number;
}

// By hand where it is the last who holds it: some file systems say only then that writing failed.
void FileJob::close_file() {
  if (file.use_count() == 1 && *file && ::close(file->release()) != 0 && errno != EINTR) error = errno;
  file.reset();
}

void FileJob::run() {
  if (kind == Kind::close) return close_file();
  if (kind == Kind::write) {
    const iovec piece{buffer.data(), buffer.size()};
    WriteRun write{file->get(), seekable, offset, {&piece, 1}, marks, carried};
    write_run(write);
    carried = write.carried;
    got = write.written;
    if (closes) close_file();
    return;
  }
  while (got < buffer.size() - begin) {
    const ssize_t n = ::pread(file->get(), buffer.data() + begin + got, buffer.size() - begin - got,
                              static_cast<off_t>(offset + got));
    if (n < 0 && errno == EINTR) continue;
    // What was read before an error is answered, the error to the next request for it.
    if (n < 0 && got == 0) error = errno;
    if (n <= 0) return;
    got += static_cast<size_t>(n);
  }
}

FileIoPool::FileIoPool(size_t threads, std::chrono::milliseconds patience) : at_once_(threads), patience_(patience) {
  const std::lock_guard held(lock_);
  for (size_t i = 0; i < threads; ++i) add_thread();
  try {
    watching_ = std::thread([this] { watch(); });
  } catch (const std::system_error&) {}
}

FileIoPool::~FileIoPool() {
  {
    const std::lock_guard held(lock_);
    ending_ = true;
  }
  changed_.notify_all();
  watcher_.notify_all();
  if (watching_.joinable()) watching_.join();
  for (std::thread& thread : threads_) thread.join();
  const auto dropped = std::exchange(owners_, {});
}

// Without room for a thread those that are there serve.
void FileIoPool::add_thread() {
  try {
    threads_.emplace_back([this] { serve(); });
  } catch (const std::system_error&) {}
}

FileIoPool& FileIoPool::shared() {
  static FileIoPool pool(kThreads);
  return pool;
}

std::shared_ptr<UniqueFd> FileIoPool::keep(UniqueFd file, const std::string& owner) {
  return {new UniqueFd(std::move(file)), [this, owner](UniqueFd* last) {
            const std::unique_ptr<UniqueFd> gone(last);
            close(std::move(*last), owner);
          }};
}

void FileIoPool::close(UniqueFd file, const std::string& owner) {
  if (!file) return;
  auto job = std::make_unique<FileJob>();
  job->kind = FileJob::Kind::close;
  job->file = std::make_shared<UniqueFd>(std::move(file));
  submit({nullptr, std::move(job)}, owner);
}

bool FileIoPool::owes_closes(const std::string& owner) {
  const std::lock_guard held(lock_);
  const auto found = owners_.find(owner);
  return found != owners_.end() && found->second.closes >= kMostCloses;
}

void FileIoPool::submit(Waiting&& waiting, const std::string& name) {
  std::unique_lock held(lock_);
  if (ending_) return;
  if (threads_.empty() && waiting.answers) {
    held.unlock();
    // Not even one thread was to be had, and the caller does not wait.
    waiting.job->fail_with(EAGAIN);
    const std::lock_guard told(waiting.answers->lock);
    waiting.answers->done.push_back(std::move(waiting.job));
    (void)::eventfd_write(waiting.answers->event.get(), 1);
    return;
  }
  Owner& owner = owners_[name];
  if (owner.name.empty()) owner.name = name;
  if (!waiting.answers) ++owner.closes;
  if (owner.waiting.empty()) turns_.push_back(&owner);
  owner.waiting.push_back(std::move(waiting));
  held.unlock();
  changed_.notify_one();
}

// Nobody waits for its jobs any more.
void FileIoPool::abandon(const std::shared_ptr<Answers>& answers, const std::string& name) {
  // A job may hold the last of a file, whose close comes back here: it goes when the lock is open again.
  std::deque<Waiting> dropped;
  const std::lock_guard held(lock_);
  const auto found = owners_.find(name);
  if (found == owners_.end() || found->second.waiting.empty()) return;
  Owner& owner = found->second;
  std::deque<Waiting> rest;
  for (Waiting& waiting : owner.waiting) (waiting.answers == answers ? dropped : rest).push_back(std::move(waiting));
  owner.waiting = std::move(rest);
  if (owner.waiting.empty()) std::erase(turns_, &owner);
  forget(owner);
}

void FileIoPool::forget(Owner& owner) {
  if (owner.waiting.empty() && owner.running == 0) owners_.erase(std::string(owner.name));
}

bool FileIoPool::start_next(RunningPlace& place) {
  if (running_.size() - stuck_ >= at_once_) return false;
  for (size_t i = turns_.size(); i > 0; --i) {
    Owner& owner = *turns_.front();
    turns_.pop_front();
    auto next = owner.waiting.end();
    if (owner.running < kMostWithStuck && owner.running - owner.stuck < kMostOfOne) {
      next = std::find_if(owner.waiting.begin(), owner.waiting.end(),
                          [](const Waiting& waiting) { return !waiting.answers || waiting.answers->stuck == 0; });
    }
    if (next == owner.waiting.end()) {
      turns_.push_back(&owner);
      continue;
    }
    running_.push_back({std::move(*next), owner, std::chrono::steady_clock::now()});
    place = std::prev(running_.end());
    owner.waiting.erase(next);
    ++owner.running;
    if (!owner.waiting.empty()) turns_.push_back(&owner);
    if (watcher_sleeps_) watcher_.notify_one();
    return true;
  }
  return false;
}

void FileIoPool::finish(RunningPlace place) {
  Owner& owner = place->owner;
  --owner.running;
  if (place->stuck) {
    --stuck_;
    --owner.stuck;
    if (place->work.answers) --place->work.answers->stuck;
    // Those behind it may go on.
    changed_.notify_all();
  }
  if (!place->work.answers) --owner.closes;
  running_.erase(place);
  forget(owner);
}

void FileIoPool::serve() {
  std::unique_lock held(lock_);
  for (;;) {
    RunningPlace place;
    changed_.wait(held, [&] { return ending_ || start_next(place); });
    if (ending_) return;
    // A list's places stay.
    std::unique_ptr<FileJob> job = std::move(place->work.job);
    std::shared_ptr<Answers> answers = place->work.answers;
    held.unlock();
    job->run();
    held.lock();
    finish(place);
    held.unlock();
    if (answers) {
      const std::lock_guard told(answers->lock);
      answers->done.push_back(std::move(job));
      if (answers->done.size() == 1) (void)::eventfd_write(answers->event.get(), 1);
    }
    // Now: what goes with them may be a file whose close comes back here.
    answers.reset();
    held.lock();
  }
}

void FileIoPool::mark_stuck() {
  const auto now = std::chrono::steady_clock::now();
  for (Running& running : running_) {
    if (running.since + patience_ > now) return;
    if (running.stuck) continue;
    running.stuck = true;
    ++stuck_;
    ++running.owner.stuck;
    if (running.work.answers) ++running.work.answers->stuck;
  }
}

// Looks after jobs as long as some are running that are not stuck yet.
void FileIoPool::watch() {
  std::unique_lock held(lock_);
  while (!ending_) {
    const auto oldest = std::find_if(running_.begin(), running_.end(), [](const Running& r) { return !r.stuck; });
    if (oldest == running_.end()) {
      watcher_sleeps_ = true;
      watcher_.wait(held);
      watcher_sleeps_ = false;
      continue;
    }
    watcher_.wait_until(held, std::chrono::steady_clock::time_point(oldest->since + patience_));
    const size_t before = stuck_;
    mark_stuck();
    if (stuck_ == before || ending_) continue;
    while (threads_.size() < std::min(at_once_ + stuck_, kMostThreads)) {
      const size_t had = threads_.size();
      add_thread();
      if (threads_.size() == had) break;
    }
    changed_.notify_all();
  }
}

FileIoPort::FileIoPort(FileIoPool& pool, std::string owner)
    : pool_(pool), answers_(std::make_shared<FileIoPool::Answers>()), owner_(std::move(owner)) {
  if (owner_.empty()) owner_ = "port " + std::to_string(reinterpret_cast<uintptr_t>(answers_.get()));
  answers_->event = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

std::vector<std::unique_ptr<FileJob>> FileIoPort::take() {
  eventfd_t ignored;
  (void)::eventfd_read(answers_->event.get(), &ignored);
  const std::lock_guard held(answers_->lock);
  return std::exchange(answers_->done, {});
}

}  // namespace sluice
