// DiskJobs: what a channel has in the pool: its port, made at first need, and the memory of jobs that are done for the
// next ones.
#pragma once

#include "dataplane/channel.h"
#include "services/transfer/file_io_pool.h"

namespace sluice {

class DiskJobs final : private Watcher {
 public:
  // The owner is who takes turns in the pool: a user.
  explicit DiskJobs(std::string owner, FileIoPool* pool = nullptr) : owner_(std::move(owner)), pool_(pool) {}
  ~DiskJobs() override { leave(); }
  DiskJobs(const DiskJobs&) = delete;
  DiskJobs& operator=(const DiskJobs&) = delete;

  void attach(Channel& channel) { channel_ = &channel; }
  // The channel gets a turn when it is done. Without a descriptor to be told by it fails at once, with EMFILE: the
  // worker does not wait.
  void submit(std::unique_ptr<FileJob> job);
  std::vector<std::unique_ptr<FileJob>> take();
  // Not taken yet.
  size_t out() const { return out_; }
  // Nobody waits any more: what runs ends by itself, with its memory and its file. The channel is still there.
  void leave();

  // A new one, perhaps with the memory of one that was done with; of a read its buffer has any size.
  std::unique_ptr<FileJob> blank(FileJob::Kind kind);
  void done_with(std::unique_ptr<FileJob> job);
  // A file is over: its jobs' memory goes with it.
  void trim() { spare_.clear(); }

 private:
  void on_ready(uint32_t) override {}
  bool open();

  const std::string owner_;
  FileIoPool* pool_;
  Channel* channel_ = nullptr;
  std::unique_ptr<FileIoPort> port_;
  std::vector<std::unique_ptr<FileJob>> failed_, spare_;
  size_t out_ = 0;
};

}  // namespace sluice
