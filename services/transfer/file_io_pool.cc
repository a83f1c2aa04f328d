// Jobs in the order in which they came, whichever thread is free.
#include "services/transfer/file_io_pool.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace sluice {
namespace {

// Enough to keep a disk's queue from running empty; more would only wait beside each other.
constexpr size_t kThreads = 4;

}  // namespace

void FileJob::run() {
  if (kind == Kind::close) return file.reset();
  if (kind == Kind::write) {
    const iovec piece{buffer.data(), buffer.size()};
    WriteRun write{file->get(), seekable, offset, {&piece, 1}, marks, carried};
    write_run(write);
    carried = write.carried;
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

FileIoPool::FileIoPool(size_t threads) {
  // Without a single thread jobs are run where they are submitted.
  try {
    for (size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { serve(); });
  } catch (const std::system_error&) {}
}

FileIoPool::~FileIoPool() {
  {
    const std::lock_guard held(lock_);
    ending_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

FileIoPool& FileIoPool::shared() {
  static FileIoPool pool(kThreads);
  return pool;
}

void FileIoPool::submit(Waiting&& waiting) {
  if (threads_.empty()) {
    waiting.job->run();
    const std::lock_guard held(waiting.answers->lock);
    waiting.answers->done.push_back(std::move(waiting.job));
    (void)::eventfd_write(waiting.answers->event.get(), 1);
    return;
  }
  {
    const std::lock_guard held(lock_);
    waiting_.push_back(std::move(waiting));
  }
  changed_.notify_one();
}

void FileIoPool::serve() {
  for (;;) {
    Waiting next;
    {
      std::unique_lock held(lock_);
      changed_.wait(held, [this] { return ending_ || !waiting_.empty(); });
      if (ending_) return;
      next = std::move(waiting_.front());
      waiting_.pop_front();
    }
    // Nobody waits for it any more.
    if (next.answers->abandoned) continue;
    next.job->run();
    const std::lock_guard held(next.answers->lock);
    next.answers->done.push_back(std::move(next.job));
    if (next.answers->done.size() == 1) (void)::eventfd_write(next.answers->event.get(), 1);
  }
}

FileIoPort::FileIoPort(FileIoPool& pool) : pool_(pool), answers_(std::make_shared<FileIoPool::Answers>()) {
  answers_->event = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

std::vector<std::unique_ptr<FileJob>> FileIoPort::take() {
  eventfd_t ignored;
  (void)::eventfd_read(answers_->event.get(), &ignored);
  const std::lock_guard held(answers_->lock);
  return std::exchange(answers_->done, {});
}

}  // namespace sluice
