// WRITE: from the file into its place in the records, several requests in one read.
//
// Steps: how many WRITEs the window, the limit and the turn allow -> drafts for all of them -> each one's head, and the
// places of its data -> one preadv into them -> what was not there is taken back. A WRITE that has no room for all of
// its data goes on in the next turn, before anything else.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/clock.h"
#include "services/sftp_client/sftp_engine.h"

namespace sluice {
namespace {

// Bytes of one call, and of one turn: what is read is still in the cache when it is sealed.
constexpr uint64_t kMaxRun = 512 * 1024;
constexpr size_t kTurnBytes = 1 << 20;
constexpr size_t kMaxPlaces = 96;
// What the pool reads at once so that reading it again does not wait.
constexpr uint64_t kWarmBytes = 1 << 20;
constexpr size_t kMaxJobBytes = 8 << 20;

size_t head_of(const TransferOrder& order) { return 4 + 1 + 4 + 4 + order.handle.size() + 8 + 4; }
bool would_wait(int error) { return error == EAGAIN || error == EOPNOTSUPP || error == ENOSYS; }

}  // namespace

bool SftpEngine::finish_open_write(DraftStream& stream) {
  Running& run = *open_write_.run;
  if (run.stopped()) {
    fill_with_zeros(stream);
  } else {
    put_run(stream, run);
  }
  return open_write_.left == 0;
}

// The length that the head promised is kept; nobody takes the file for whole.
void SftpEngine::fill_with_zeros(DraftStream& stream) {
  const size_t n = std::min<size_t>(stream.ensure(open_write_.left), open_write_.left);
  std::array<iovec, kMaxPlaces> places;
  const size_t used = stream.places(stream.position(), n, places);
  for (const iovec& place : std::span(places).first(used)) std::memset(place.iov_base, 0, place.iov_len);
  stream.move_to(stream.position() + n);
  open_write_.left -= static_cast<uint32_t>(n);
  if (open_write_.left == 0) open_write_ = {};
}

// True: the turn is over, though there may be more. The oldest first: its end is awaited.
bool SftpEngine::send_puts(DraftStream& stream) {
  for (const auto& run : running_) {
    while (run->put() && !run->stopped() && moved_ < kTurnBytes && open_write_.left == 0 && put_run(stream, *run)) {}
  }
  return moved_ >= kTurnBytes;
}

// What may be begun now, heads and data; each begins at run.next.
uint64_t SftpEngine::plan_writes(const Running& run) const {
  const TransferOrder& order = run.transfer->order();
  uint64_t data = 0, all = 0;
  // Under a limit one by one, or a run would go far into debt.
  const uint64_t most = order.limit ? 1 : std::min(kMaxRun, flight_.room());
  while (data < most && run.next + data < run.end) {
    const uint64_t length = std::min<uint64_t>(run.size, run.end - run.next - data);
    if (data > 0 && data + length > kMaxRun) break;
    data += length;
    all += head_of(order) + length;
  }
  return all;
}

bool SftpEngine::begin_write(DraftStream& stream, Running& run, uint64_t before) {
  const TransferOrder& order = run.transfer->order();
  if (run.next >= run.end || !may_request() || !may_move(run)) return false;
  const auto length = static_cast<uint32_t>(std::min<uint64_t>(run.size, run.end - run.next));
  const size_t head = head_of(order);
  if (stream.room() <= head) return false;
  const uint32_t id = open_pending(Pending::Kind::write, &run, run.next, length);
  begun_.push_back({id, length, stream.position(), before});
  std::array<uint8_t, 64 + kMaxSftpHandle> bytes;
  store_be32(&bytes[0], static_cast<uint32_t>(head - 4 + length));
  bytes[4] = static_cast<uint8_t>(SftpType::write);
  store_be32(&bytes[5], id);
  store_be32(&bytes[9], static_cast<uint32_t>(order.handle.size()));
  std::copy(order.handle.begin(), order.handle.end(), &bytes[13]);
  store_be64(&bytes[head - 12], order.remote_offset + run.next);
  store_be32(&bytes[head - 4], length);
  stream.write(Bytes(bytes).first(head));
  open_write_ = {&run, length};
  run.next += length;
  if (order.limit) order.limit->spend(length, monotonic_clock().now_ns());
  return true;
}

// False: nothing could be done.
bool SftpEngine::put_run(DraftStream& stream, Running& run) {
  if (run.size == 0) run.size = facts_.most_write;
  const uint64_t from = run.next - open_write_.left;
  if (run.kind == FileKind::disk && run.jobs > 0 && from >= run.warm_until) return false;
  if (open_write_.left == 0 && (run.next >= run.end || !may_request() || !may_move(run))) return false;
  begun_.clear();
  const size_t begin = stream.position();
  const uint32_t left_before = open_write_.left;
  stream.ensure(left_before > 0 ? left_before : plan_writes(run));
  std::array<iovec, kMaxPlaces> places;
  size_t used = 0;
  uint64_t wanted = 0;
  while (used < places.size() && wanted < kMaxRun) {
    if (open_write_.left == 0 && (left_before > 0 || !begin_write(stream, run, wanted))) break;
    const size_t n = std::min<size_t>(stream.room(), open_write_.left);
    const size_t count = n == 0 ? 0 : stream.places(stream.position(), n, std::span(places).subspan(used));
    if (count == 0) break;
    size_t here = 0;
    for (size_t i = used; i < used + count; ++i) here += places[i].iov_len;
    used += count;
    stream.move_to(stream.position() + here);
    open_write_.left -= static_cast<uint32_t>(here);
    wanted += here;
  }
  if (open_write_.left == 0) open_write_ = {};
  if (wanted == 0) return false;
  const uint64_t got = read_file(run, std::span(places).first(used), from, wanted);
  moved_ += got;
  if (got < wanted) take_back(stream, run, {begin, left_before}, got);
  return got > 0;
}

// What the file has of it now, from its front.
uint64_t SftpEngine::read_file(Running& run, std::span<const iovec> places, uint64_t offset, uint64_t wanted) {
  const TransferOrder& order = run.transfer->order();
  const bool careful = run.kind == FileKind::disk && offset + wanted > run.warm_until;
  uint64_t got = 0;
  while (got < wanted) {
    std::array<iovec, kMaxPlaces> rest;
    const size_t count = pieces_from(places, got, SIZE_MAX, rest);
    const ssize_t n = ::preadv2(order.file->get(), rest.data(), static_cast<int>(count),
                                static_cast<off_t>(order.local_offset + offset + got), careful ? RWF_NOWAIT : 0);
    if (n > 0) {
      got += static_cast<uint64_t>(n);
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    // At the end of what is in the cache, which may be that of the file: the pool will know.
    if (careful && (n == 0 || would_wait(errno))) {
      warm(run, offset + got);
    } else if (n == 0) {
      run.fault = sftp_fault(SftpFault::Kind::changed, "The file became shorter while it was read").value();
    } else {
      run.fault = local_fault("read", errno).value();
    }
    break;
  }
  return got;
}

// The turn's WRITEs lose what the file did not give: whole ones are unmade, one may be left open.
void SftpEngine::take_back(DraftStream& stream, Running& run, const RunBegin& began, uint64_t got) {
  while (!begun_.empty()) {
    const Begun begun = begun_.back();
    if (begun.before < got) {
      const auto here = static_cast<uint32_t>(std::min<uint64_t>(got - begun.before, begun.length));
      stream.move_to(begun.position + head_of(run.transfer->order()) + here);
      open_write_.left = begun.length - here;
      open_write_.run = open_write_.left > 0 ? &run : nullptr;
      return;
    }
    unmake_pending(begun.id);
    run.next -= begun.length;
    open_write_ = {};
    stream.move_to(begun.position);
    begun_.pop_back();
  }
  if (began.left == 0) return;
  stream.move_to(began.position + got);
  open_write_ = {&run, began.left - static_cast<uint32_t>(got)};
}

void SftpEngine::warm(Running& run, uint64_t offset) {
  const TransferOrder& order = run.transfer->order();
  const uint64_t size = std::min(kWarmBytes, run.end - offset);
  if (run.jobs > 0 || (job_bytes_ > 0 && job_bytes_ + size > kMaxJobBytes)) return;
  auto job = std::make_unique<FileJob>();
  job->file = order.file;
  job->offset = order.local_offset + offset;
  job->buffer.resize(size);
  job_bytes_ += size;
  submit(run, std::move(job));
}

void SftpEngine::take_job(FileJob& job) {
  Running& run = *static_cast<Running*>(job.owner);
  job_bytes_ -= job.buffer.size();
  --run.jobs;
  const TransferOrder& order = run.transfer->order();
  if (job.kind == FileJob::Kind::write) {
    channel_->consumed(job.buffer.size());
    return take_written(run, job.offset - order.local_offset, job.buffer.size(), job.marks.front().error);
  }
  if (job.error != 0) {
    if (!run.fault) run.fault = local_fault("read", job.error).value();
  } else if (job.got == 0) {
    if (!run.fault)
      run.fault = sftp_fault(SftpFault::Kind::changed, "The file became shorter while it was read").value();
  } else {
    run.warm_until = std::max(run.warm_until, job.offset - order.local_offset + job.got);
  }
}

}  // namespace sluice
