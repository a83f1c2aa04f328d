// A port, and who is told of it.
#include "services/transfer/disk_jobs.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

namespace sluice {
namespace {

// Kept for the next jobs: as many as one channel has under way.
constexpr size_t kMostSpare = 4;

}  // namespace

bool DiskJobs::open() {
  if (port_) return true;
  if (!pool_) pool_ = &FileIoPool::shared();
  auto made = std::make_unique<FileIoPort>(*pool_, owner_);
  if (made->descriptor() < 0 || !channel_->watch(made->descriptor(), *this)) return false;
  port_ = std::move(made);
  return true;
}

void DiskJobs::submit(std::unique_ptr<FileJob> job) {
  ++out_;
  if (open()) return port_->submit(std::move(job));
  job->fail_with(EMFILE);
  failed_.push_back(std::move(job));
  channel_->ask_turn();
}

std::vector<std::unique_ptr<FileJob>> DiskJobs::take() {
  if (out_ == 0) return {};
  std::vector<std::unique_ptr<FileJob>> done = std::exchange(failed_, {});
  if (port_) {
    auto more = port_->take();
    done.insert(done.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  }
  out_ -= done.size();
  return done;
}

void DiskJobs::leave() {
  if (port_) channel_->unwatch(port_->descriptor());
  port_.reset();
  failed_.clear();
  spare_.clear();
  out_ = 0;
}

std::unique_ptr<FileJob> DiskJobs::blank(FileJob::Kind kind) {
  std::unique_ptr<FileJob> job;
  if (spare_.empty()) {
    job = std::make_unique<FileJob>();
  } else {
    job = std::move(spare_.back());
    spare_.pop_back();
  }
  job->kind = kind;
  if (kind != FileJob::Kind::read) job->buffer.clear();
  return job;
}

void DiskJobs::done_with(std::unique_ptr<FileJob> job) {
  // A channel that has nothing under way keeps nothing: what is spare is in nobody's budget.
  if (out_ == 0) return spare_.clear();
  if (spare_.size() >= kMostSpare) return;
  FileJob blank;
  std::swap(blank.buffer, job->buffer);
  *job = std::move(blank);
  spare_.push_back(std::move(job));
}

}  // namespace sluice
