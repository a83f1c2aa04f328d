// READ, and DATA from where it was received into the file, adjoining answers in one write.
#include <poll.h>

#include <algorithm>
#include <cerrno>

#include "base/clock.h"
#include "services/sftp_client/sftp_engine.h"

namespace sluice {
namespace {

// Of a file whose end is not known: what is asked for beyond it is asked in vain.
constexpr size_t kMostUncertain = 8;
// A request is not made smaller than this by a server that answers less.
constexpr uint32_t kLeastRequest = 4096;

SftpFault nonsense(std::string_view what) {
  return sftp_fault(SftpFault::Kind::protocol, std::string("The server broke the SFTP protocol: ").append(what))
      .value();
}

// All of it, waiting where that is a pipe's or a terminal's way. An error in errno's numbers.
int write_all(int descriptor, FileKind kind, std::span<const iovec> pieces, uint64_t offset, size_t total) {
  for (size_t at = 0; at < total;) {
    std::array<iovec, 64> rest;
    const int count = static_cast<int>(pieces_from(pieces, at, SIZE_MAX, rest));
    const ssize_t n = kind == FileKind::stream
                          ? ::writev(descriptor, rest.data(), count)
                          : ::pwritev(descriptor, rest.data(), count, static_cast<off_t>(offset + at));
    if (n > 0) {
      at += static_cast<size_t>(n);
    } else if (n < 0 && errno == EAGAIN) {
      pollfd ready{descriptor, POLLOUT, 0};
      ::poll(&ready, 1, -1);
    } else if (n == 0) {
      return EIO;
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

}  // namespace

// Into the outbox: many small packets share a record. The oldest first.
void SftpEngine::send_gets() {
  for (const auto& run : running_) {
    while (!run->put() && !run->stopped() && may_request() && send_read(*run)) {}
  }
}

bool SftpEngine::send_read(Running& run) {
  const TransferOrder& order = run.transfer->order();
  if (run.size == 0) run.size = facts_.most_read;
  const bool uncertain = run.end == TransferOrder::kToTheEnd;
  if (uncertain && run.unanswered >= kMostUncertain) return false;
  // What has no offsets is written in order.
  if (run.kind == FileKind::stream && run.unanswered > 0) return false;
  if ((run.again.empty() && run.next >= run.end) || !may_move(run)) return false;
  uint64_t offset = run.next;
  auto length = static_cast<uint32_t>(std::min<uint64_t>(run.size, run.end - run.next));
  if (!run.again.empty()) {
    Range& range = run.again.front();
    offset = range.offset;
    length = static_cast<uint32_t>(std::min<uint64_t>(run.size, range.length));
    range.offset += length;
    range.length -= length;
    if (range.length == 0) run.again.pop_front();
  } else {
    run.next += length;
  }
  const uint32_t id = open_pending(Pending::Kind::read, &run, offset, length);
  outbox_.add(WireWriter()
                  .u32(static_cast<uint32_t>(1 + 4 + 4 + order.handle.size() + 8 + 4))
                  .u8(static_cast<uint8_t>(SftpType::read))
                  .u32(id)
                  .string(Bytes(order.handle))
                  .u64(order.remote_offset + offset)
                  .u32(length)
                  .take());
  if (order.limit) order.limit->spend(length, monotonic_clock().now_ns());
  return true;
}

bool SftpEngine::begin_data(uint32_t id, uint32_t length) {
  if (over_) return false;
  const Pending* pending = find(id);
  if (!pending || pending->kind == Pending::Kind::free || pending->kind == Pending::Kind::write)
    return end(nonsense("data that nobody asked for")), false;
  data_id_ = id;
  if (pending->kind == Pending::Kind::ask) {
    data_kept_.resize(4);
    store_be32(data_kept_.data(), length);
    return true;
  }
  if (length == 0 || length > pending->length)
    return end(nonsense(length == 0 ? "data without a byte" : "more data than was asked for")), false;
  data_at_ = pending->offset;
  return true;
}

void SftpEngine::on_data_piece(MutableBytes data) {
  Pending& pending = *find(data_id_);
  if (pending.kind == Pending::Kind::ask) {
    data_kept_.insert(data_kept_.end(), data.begin(), data.end());
    return;
  }
  Running& run = *pending.run;
  const uint64_t at = std::exchange(data_at_, data_at_ + data.size());
  if (run.stopped()) return;
  if (gather_.run &&
      (gather_.run != &run || gather_.offset + gather_.bytes != at || gather_.count == gather_.pieces.size()))
    flush_gather();
  if (!gather_.run) gather_.run = &run, gather_.offset = at;
  gather_.pieces[gather_.count++] = {data.data(), data.size()};
  gather_.bytes += data.size();
}

void SftpEngine::end_data() {
  Pending& pending = *find(data_id_);
  if (pending.kind == Pending::Kind::ask) {
    Then then = std::move(pending.then);
    close_pending(pending, data_id_);
    return then(SftpAnswer{SftpType::data, std::exchange(data_kept_, {})});
  }
  Running& run = *pending.run;
  const uint64_t offset = pending.offset;
  const uint64_t asked = pending.length;
  close_pending(pending, data_id_);
  const uint64_t got = data_at_ - offset;
  run.seen_until = std::max(run.seen_until, data_at_);
  if (got == asked) return;
  // Short: asked for again, and smaller from now on where that is what the server gives.
  run.again.push_back({data_at_, asked - got});
  if (got >= kLeastRequest) run.size = std::min(run.size, static_cast<uint32_t>(got));
}

// The server says that nothing is at this offset or behind.
void SftpEngine::take_end_of_file(Running& run, uint64_t offset) {
  if (run.fault) return;
  if (run.transfer->order().length != TransferOrder::kToTheEnd) {
    run.fault = sftp_fault(SftpFault::Kind::changed,
                           "The file ended early: it became shorter while it was read, or its "
                           "size was never true")
                    .value();
    return;
  }
  run.end = std::min(run.end, offset);
  std::erase_if(run.again, [&run](const Range& range) { return range.offset >= run.end; });
  if (run.seen_until > run.end)
    run.fault = sftp_fault(SftpFault::Kind::changed, "The file grew while it was read").value();
}

void SftpEngine::flush_gather() {
  if (!gather_.run) return;
  Running& run = *gather_.run;
  if (run.stopped()) {
    gather_.clear();
    return;
  }
  if (run.kind == FileKind::disk && port()) return write_in_pool();
  const TransferOrder& order = run.transfer->order();
  const auto pieces = std::span(gather_.pieces).first(gather_.count);
  const int error = write_all(order.file->get(), run.kind, pieces, order.local_offset + gather_.offset, gather_.bytes);
  const uint64_t offset = gather_.offset;
  const uint64_t bytes = gather_.bytes;
  gather_.clear();
  take_written(run, offset, bytes, error);
}

// With the one copy that keeps the worker from waiting; its window is given again when the disk has it.
void SftpEngine::write_in_pool() {
  Running& run = *gather_.run;
  const TransferOrder& order = run.transfer->order();
  auto job = std::make_unique<FileJob>();
  job->kind = FileJob::Kind::write;
  job->file = order.file;
  job->offset = order.local_offset + gather_.offset;
  job->buffer.reserve(gather_.bytes);
  for (const iovec& piece : std::span(gather_.pieces).first(gather_.count)) {
    const auto* from = static_cast<const uint8_t*>(piece.iov_base);
    job->buffer.insert(job->buffer.end(), from, from + piece.iov_len);
  }
  job->marks.push_back({0, static_cast<uint32_t>(gather_.bytes), gather_.bytes});
  job_bytes_ += gather_.bytes;
  held_ += gather_.bytes;
  gather_.clear();
  submit(run, std::move(job));
}

void SftpEngine::take_written(Running& run, uint64_t offset, uint64_t length, int error) {
  if (error != 0) {
    if (!run.fault) run.fault = local_fault("write", error).value();
    return;
  }
  run.transfer->moved_.fetch_add(length, std::memory_order_relaxed);
  if (run.transfer->order().acknowledged) run.transfer->order().acknowledged(offset, length);
}

}  // namespace sluice
