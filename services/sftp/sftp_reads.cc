// READ: from the file into its place in the records, adjoining ones at once.
//
// Steps: the run of adjoining READs at the front -> drafts for it, as far as there is room -> one preadv into them, a
// header's room in front of each request's data -> headers for what came. What does not fit goes on in the outbox;
// what would wait for a disk goes through the pool, with one copy.
#include <algorithm>
#include <cerrno>

#include "services/sftp/sftp_requests.h"

namespace sluice {
namespace {

// Bytes of one call.
constexpr size_t kMaxRun = 512 * 1024;
// Requests of one call: each takes places of its own.
constexpr size_t kMaxInRun = 64;
constexpr size_t kMaxPlaces = 128;

bool would_wait(int error) { return error == EAGAIN || error == EOPNOTSUPP || error == ENOSYS; }

}  // namespace

SftpSession::Served SftpSession::serve_reads(DraftStream& stream) {
  const Task& first = tasks_.front();
  SftpFile& file = *first.file;
  if (file.exclusive > 0 || !file.writes.empty() || !outbox_.empty() || throttle_.holds_back()) return Served::waits;
  if (file.kind == FileKind::stream) return read_stream();
  if (file.kind == FileKind::disk && !file.cached_reads) return read_in_pool();
  size_t count = 0;
  size_t bytes = 0;
  // Under a cap one by one, or a run would go far into debt.
  const size_t most = std::min(tasks_.size(), throttle_.capped() ? 1 : kMaxInRun);
  for (uint64_t next = first.offset; count < most; ++count) {
    const Task& task = tasks_[count];
    if (task.request != first.request || task.file != first.file || task.offset != next) break;
    if (count > 0 && bytes + task.length > kMaxRun) break;
    bytes += kSftpDataHeader + task.length;
    next += task.length;
  }
  const size_t room = stream.ensure(bytes);
  size_t fits = 0;
  size_t used = 0;
  while (fits < count && used + kSftpDataHeader + tasks_[fits].length <= room)
    used += kSftpDataHeader + tasks_[fits++].length;
  if (fits > 0) return read_run(stream, fits, room);
  // It will fit when more was sent, unless the peer's window is smaller than its request.
  if (read_in_turn_ || room <= kSftpDataHeader) return Served::waits;
  return read_run(stream, 1, room);
}

SftpSession::Served SftpSession::read_run(DraftStream& stream, size_t count, size_t room) {
  SftpFile& file = *tasks_.front().file;
  const size_t begin = stream.position();
  std::array<iovec, kMaxPlaces + 1> places;
  size_t used = 0;
  size_t asked = 0;
  size_t at = begin;
  for (size_t i = 0; i < count && used < kMaxPlaces; ++i) {
    const size_t length = tasks_[i].length;
    const size_t here = std::min(length, room - (at - begin) - kSftpDataHeader);
    used += stream.places(at + kSftpDataHeader, here, std::span(places).subspan(used, kMaxPlaces - used));
    at += kSftpDataHeader + length;
    asked += length;
  }
  // The one whose end has no room.
  const size_t in_drafts = std::min(asked, room - kSftpDataHeader);
  std::vector<uint8_t> tail(count == 1 ? asked - in_drafts : 0);
  if (!tail.empty()) places[used++] = {tail.data(), tail.size()};
  ssize_t n = 0;
  const auto offset = static_cast<off_t>(tasks_.front().offset);
  do {
    n = ::preadv2(file.descriptor->get(), places.data(), static_cast<int>(used), offset,
                  file.kind == FileKind::disk ? RWF_NOWAIT : 0);
  } while (n < 0 && errno == EINTR);
  if (n < 0 && file.kind == FileKind::disk && would_wait(errno)) {
    if (errno != EAGAIN) file.cached_reads = false;
    return read_in_pool();
  }
  if (n < 0) return refuse_read(errno);
  if (n == 0) return end_read(tasks_.front().id, SftpStatus::eof, "End of file");
  size_t got = static_cast<size_t>(n);
  // Short: the file's end, or that of what is in the cache, which a byte more tells.
  if (file.kind == FileKind::disk && got < tasks_.front().length) {
    uint8_t probe = 0;
    const iovec one{&probe, 1};
    if (::preadv2(file.descriptor->get(), &one, 1, offset + n, RWF_NOWAIT) != 0) return read_in_pool();
  }
  for (size_t i = 0; i < count && got > 0; ++i) {
    const Task& task = tasks_.front();
    const size_t length = std::min<size_t>(got, task.length);
    // On a disk the rest of it may only be missing from the cache: it is looked at again.
    if (i > 0 && length < task.length) break;
    std::array<uint8_t, kSftpDataHeader> header;
    write_data_header(header.data(), task.id, static_cast<uint32_t>(length));
    stream.patch(stream.position(), header);
    stream.move_to(stream.position() + kSftpDataHeader + std::min(length, in_drafts));
    if (length > in_drafts && count == 1) {
      tail.resize(length - in_drafts);
      answer(std::move(tail));
    }
    got -= length;
    file.bytes_read += length;
    moved_ += length;
    throttle_.spend(length);
    drop_front();
  }
  read_in_turn_ = true;
  return Served::some;
}

SftpSession::Served SftpSession::end_read(uint32_t id, SftpStatus status, std::string_view text) {
  answer(id, status, text);
  drop_front();
  return Served::some;
}

SftpSession::Served SftpSession::refuse_read(int error) {
  SftpFile& file = *tasks_.front().file;
  if (file.error == 0) file.error = error;
  answer(failure_packet(tasks_.front().id, failure_of(error)));
  drop_front();
  return Served::some;
}

// What is there now; nothing is a failure, since nobody can say when there will be more.
SftpSession::Served SftpSession::read_stream() {
  const Task& task = tasks_.front();
  if (!task.file->descriptor) return end_read(task.id, SftpStatus::failure, "Not a file's handle");
  std::vector<uint8_t> packet(kSftpDataHeader + task.length);
  ssize_t n = 0;
  do {
    n = ::read(task.file->descriptor->get(), packet.data() + kSftpDataHeader, task.length);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return refuse_read(errno);
  if (n == 0) return end_read(task.id, SftpStatus::eof, "End of file");
  packet.resize(kSftpDataHeader + static_cast<size_t>(n));
  write_data_header(packet.data(), task.id, static_cast<uint32_t>(n));
  task.file->bytes_read += static_cast<size_t>(n);
  moved_ += static_cast<size_t>(n);
  throttle_.spend(static_cast<size_t>(n));
  answer(std::move(packet));
  drop_front();
  return Served::some;
}

SftpSession::Served SftpSession::read_in_pool() {
  const Task& task = tasks_.front();
  if (!may_hold(kSftpDataHeader + task.length)) return Served::waits;
  auto job = std::make_unique<FileJob>();
  job->file = task.file->descriptor;
  job->slot = task.file->slot;
  job->offset = task.offset;
  job->id = task.id;
  job->begin = kSftpDataHeader;
  job->buffer.resize(kSftpDataHeader + task.length);
  job_bytes_ += job->buffer.size();
  memory_.hold(job->buffer.size());
  ++task.file->reads_out;
  throttle_.spend(task.length);
  drop_front();
  jobs_.submit(std::move(job));
  return Served::some;
}

void SftpSession::take_read(std::unique_ptr<FileJob> job) {
  SftpFile& file = files_.at(job->slot);
  job_bytes_ -= job->buffer.size();
  answer_bytes_ += job->buffer.size();
  --file.reads_out;
  if (job->error != 0) {
    if (file.error == 0) file.error = job->error;
    return answer(failure_packet(job->id, failure_of(job->error)));
  }
  if (job->got == 0) return answer(job->id, SftpStatus::eof, "End of file");
  write_data_header(job->buffer.data(), job->id, static_cast<uint32_t>(job->got));
  job->buffer.resize(kSftpDataHeader + job->got);
  file.bytes_read += job->got;
  answer(std::move(job->buffer));
}

}  // namespace sluice
