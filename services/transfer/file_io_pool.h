// FileIoPool: the threads on which reads and writes of files wait for disks, shared by all workers; and FileIoPort, a
// channel's way to it.
//
// A job belongs to the pool from submit() until take() gives it back. A port that goes leaves its running jobs to end
// by themselves. The worker holds a lock for as long as moving a pointer takes, and only where a disk is waited for.
// Fair: users take turns, each with a few jobs at once. A job that runs for longer than a disk takes (a file system
// whose server, perhaps the user's own program, does not answer) counts as stuck: another thread takes its place, and
// its channel's other jobs wait for it. So one user can neither take all threads nor hold up the others.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
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
  uint32_t id = 0;  // likewise
  size_t got = 0;   // bytes that were read or written
  // Of a read, or of closing.
  int error = 0;
  // Of a write.
  bool seekable = true;
  bool closes = false;  // nobody else has the file any more: it ends with it
  std::vector<WriteMark> marks;
  int carried = 0;

  void run();
  // As if the kernel had said so.
  void fail_with(int number);

 private:
  void close_file();
};

class FileIoPort;

class FileIoPool {
 public:
  // How long a job may run until it counts as stuck.
  static constexpr std::chrono::milliseconds kPatience{1000};

  explicit FileIoPool(size_t threads, std::chrono::milliseconds patience = kPatience);
  // Waits for what is running; the rest is dropped.
  ~FileIoPool();

  // The process's own, with its threads, from the first call on: an application that confines itself calls it before.
  static FileIoPool& shared();

  // For a file of somebody else's program or machine: the last who holds it does not wait for that to let go of it.
  std::shared_ptr<UniqueFd> keep(UniqueFd file, const std::string& owner);
  // Closes it on a thread.
  void close(UniqueFd file, const std::string& owner);
  // So many files of this owner wait to be closed that he gets no further ones.
  bool owes_closes(const std::string& owner);

 private:
  friend class FileIoPort;
  struct Answers {
    std::mutex lock;
    std::vector<std::unique_ptr<FileJob>> done;
    UniqueFd event;
    size_t stuck = 0;  // the pool's, under its lock
  };
  struct Waiting {
    std::shared_ptr<Answers> answers;  // of a close: nobody's
    std::unique_ptr<FileJob> job;
  };
  struct Owner {
    std::string name;
    std::deque<Waiting> waiting;  // bounded by what each port's user may have out, closes by owes_closes()
    size_t running = 0, stuck = 0, closes = 0;
  };
  struct Running {
    Waiting work;
    Owner& owner;
    std::chrono::steady_clock::time_point since;
    bool stuck = false;
  };
  using RunningPlace = std::list<Running>::iterator;

  void submit(Waiting&& waiting, const std::string& owner);
  void abandon(const std::shared_ptr<Answers>& answers, const std::string& owner);
  void serve();
  void watch();
  void add_thread();
  // All of these under the lock.
  bool start_next(RunningPlace& place);
  void finish(RunningPlace place);
  void mark_stuck();
  void forget(Owner& owner);

  const size_t at_once_;
  const std::chrono::milliseconds patience_;
  std::mutex lock_;
  std::condition_variable changed_;
  std::condition_variable watcher_;
  std::unordered_map<std::string, Owner> owners_;  // who have something here
  std::deque<Owner*> turns_;                       // who have something that waits
  std::list<Running> running_;                     // in the order of their starts
  size_t stuck_ = 0;
  bool ending_ = false, watcher_sleeps_ = false;
  std::vector<std::thread> threads_;
  std::thread watching_;
};

class FileIoPort {
 public:
  // The owner is who takes turns with others: a user. Without one the port is one by itself.
  explicit FileIoPort(FileIoPool& pool, std::string owner = {});
  ~FileIoPort() { pool_.abandon(answers_, owner_); }
  FileIoPort(const FileIoPort&) = delete;
  FileIoPort& operator=(const FileIoPort&) = delete;

  // Readable when take() has something; -1: no descriptor was to be had.
  int descriptor() const { return answers_->event.get(); }
  void submit(std::unique_ptr<FileJob> job) { pool_.submit({answers_, std::move(job)}, owner_); }
  std::vector<std::unique_ptr<FileJob>> take();

 private:
  FileIoPool& pool_;
  std::shared_ptr<FileIoPool::Answers> answers_;
  std::string owner_;
};

}  // namespace sluice
