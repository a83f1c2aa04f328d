// FileIoPool: the few threads on which reads and writes of files wait for disks, shared by all workers; and FileIoPort,
// a channel's way to it.
//
// A job belongs to the pool from submit() until take() gives it back. A port that goes leaves its running jobs to end
// by themselves. The worker holds a lock for as long as moving a pointer takes, and only where a disk is waited for.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "services/transfer/write_run.h"

namespace sluice {

// One read, one run of writes, or the end of a file. The buffer holds the data: from `begin` on of a read.
struct FileJob {
  enum class Kind : uint8_t { read, write, close };

  Kind kind = Kind::read;
  std::shared_ptr<UniqueFd> file;
  uint32_t slot = 0;      // the asker's
  void* owner = nullptr;  // likewise
  uint64_t offset = 0;
  std::vector<uint8_t> buffer;
  size_t begin = 0;
  // Of a read.
  uint32_t id = 0;
  size_t got = 0;
  int error = 0;
  // Of a write.
  bool seekable = true;
  std::vector<WriteMark> marks;
  int carried = 0;

  void run();
};

class FileIoPort;

class FileIoPool {
 public:
  explicit FileIoPool(size_t threads);
  // Waits for what is running; the rest is dropped.
  ~FileIoPool();

  // The process's own, with its threads, from the first call on: an application that confines itself calls it before.
  static FileIoPool& shared();

 private:
  friend class FileIoPort;
  struct Answers {
    std::mutex lock;
    std::vector<std::unique_ptr<FileJob>> done;
    std::atomic<bool> abandoned{false};
    UniqueFd event;
  };
  struct Waiting {
    std::shared_ptr<Answers> answers;
    std::unique_ptr<FileJob> job;
  };

  void submit(Waiting&& waiting);
  void serve();

  std::mutex lock_;
  std::condition_variable changed_;
  std::deque<Waiting> waiting_;  // bounded by what each port's owner may have out
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

class FileIoPort {
 public:
  explicit FileIoPort(FileIoPool& pool);
  ~FileIoPort() { answers_->abandoned = true; }
  FileIoPort(const FileIoPort&) = delete;
  FileIoPort& operator=(const FileIoPort&) = delete;

  // Readable when take() has something; -1: no descriptor was to be had.
  int descriptor() const { return answers_->event.get(); }
  void submit(std::unique_ptr<FileJob> job) { pool_.submit({answers_, std::move(job)}); }
  std::vector<std::unique_ptr<FileJob>> take();

 private:
  FileIoPool& pool_;
  std::shared_ptr<FileIoPool::Answers> answers_;
};

}  // namespace sluice
