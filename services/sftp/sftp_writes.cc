// WRITE: from where it was received into the file, adjoining ones at once; or through the pool, with one copy.

#include "services/sftp/sftp_requests.h"

namespace sluice {
namespace {

// Bytes of one job: more in one call would not be faster, only later answered.
constexpr size_t kMaxJob = 1 << 20;

}  // namespace

bool SftpSession::begin_write(uint32_t id, Bytes handle, uint64_t offset, uint32_t length) {
  broken_ = broken_ || !began_;
  if (broken_) return false;
  SftpFile* file = files_.find(handle);
  if (file && file->writable) {
    // Those before it on this file come first.
    if (file->queued > 0 || file->exclusive > 0 || file->reads_out > 0) return false;
    if (file->kind == FileKind::disk && !may_hold(gather_.bytes() + length)) return false;
    if (throttle_.holds_back()) return false;
  }
  write_file_ = file;
  write_id_ = id;
  write_length_ = length;
  write_at_ = offset;
  return true;
}

void SftpSession::on_write_data(MutableBytes data) {
  if (!write_file_ || !write_file_->writable) return;
  if (!gather_.adjoins(*write_file_, write_at_)) flush_writes();
  gather_.begin(*write_file_, write_at_);
  gather_.add(data);
  write_at_ += data.size();
}

void SftpSession::on_write_end() {
  SftpFile* file = std::exchange(write_file_, nullptr);
  if (!file) return answer(write_id_, SftpStatus::failure, "No such handle");
  if (!file->writable) return answer(write_id_, SftpStatus::permission_denied, "Not open for writing");
  if (!gather_.adjoins(*file, write_at_)) flush_writes();
  gather_.begin(*file, write_at_);
  gather_.mark(write_id_, write_length_);
  moved_ += write_length_;
  throttle_.spend(write_length_);
}

void SftpSession::flush_writes() {
  if (gather_.empty()) return;
  SftpFile& file = gather_.file();
  if (file.waits()) {
    queue_write_job(file);
  } else {
    WriteRun run{file.descriptor->get(), file.kind != FileKind::stream,
                 gather_.offset(),       gather_.pieces(),
                 gather_.marks(),        file.carried};
    write_run(run);
    file.carried = run.carried;
    tell_written(file, gather_.marks());
  }
  gather_.clear();
}

void SftpSession::tell_written(SftpFile& file, std::span<const WriteMark> marks) {
  for (const WriteMark& mark : marks) {
    if (mark.error == 0) {
      file.bytes_written += mark.length;
      answer(mark.id, SftpStatus::ok, "Success");
    } else {
      if (file.error == 0) file.error = mark.error;
      answer(failure_packet(mark.id, failure_of(mark.error)));
    }
  }
}

// Jobs of one file run one after the other: what they write may overlap.
void SftpSession::queue_write_job(SftpFile& file) {
  FileJob* job = file.writes.size() > 1 ? file.writes.back().get() : nullptr;
  if (!job || job->offset + job->buffer.size() != gather_.offset() || job->buffer.size() + gather_.bytes() > kMaxJob) {
    file.writes.push_back(jobs_.blank(FileJob::Kind::write));
    job = file.writes.back().get();
    job->file = file.descriptor;
    job->slot = file.slot;
    job->offset = gather_.offset();
    ++write_jobs_;
  }
  const size_t base = job->buffer.size();
  if (base == 0) job->buffer.reserve(gather_.bytes());
  for (const iovec& piece : gather_.pieces()) {
    const auto* from = static_cast<const uint8_t*>(piece.iov_base);
    job->buffer.insert(job->buffer.end(), from, from + piece.iov_len);
  }
  for (WriteMark mark : gather_.marks()) {
    mark.end += base;
    job->marks.push_back(mark);
  }
  job_bytes_ += gather_.bytes();
  memory_.hold(gather_.bytes());
  if (file.writes.size() == 1) start_write_job(file);
}

void SftpSession::start_write_job(SftpFile& file) {
  // In its place stays nothing until it is back.
  file.writes.front()->carried = file.carried;
  jobs_.submit(std::move(file.writes.front()));
}

void SftpSession::close_in_pool(SftpFile& file, uint32_t id) {
  auto job = jobs_.blank(FileJob::Kind::close);
  job->slot = file.slot;
  job->id = id;
  job->file = std::move(file.descriptor);
  jobs_.submit(std::move(job));
}

void SftpSession::take_jobs() {
  for (auto& job : jobs_.take()) {
    switch (job->kind) {
      case FileJob::Kind::write: take_write(std::move(job)); break;
      case FileJob::Kind::read: take_read(std::move(job)); break;
      case FileJob::Kind::close: take_close(std::move(job)); break;
    }
  }
}

void SftpSession::take_close(std::unique_ptr<FileJob> job) {
  SftpFile& file = files_.at(job->slot);
  if (job->error != 0) file.close_fault = failure_of(job->error);
  if (file.far) SftpRequests::close_at_broker(*this, job->id, file);
  SftpRequests::closed(*this, job->id, file);
}

void SftpSession::take_write(std::unique_ptr<FileJob> job) {
  SftpFile& file = files_.at(job->slot);
  job_bytes_ -= job->buffer.size();
  memory_.release(job->buffer.size());
  --write_jobs_;
  file.carried = job->carried;
  tell_written(file, job->marks);
  jobs_.done_with(std::move(job));
  file.writes.pop_front();
  if (!file.writes.empty()) start_write_job(file);
}

}  // namespace sluice
