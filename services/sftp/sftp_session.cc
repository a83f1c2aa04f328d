// The flow of requests: read, begun in order, answered as there is room; and the end.
#include "services/sftp/sftp_session.h"

#include <algorithm>

#include "base/clock.h"
#include "services/sftp/sftp_requests.h"
#include "services/sftp/sftp_service.h"

namespace sluice {
namespace {

// Of one turn: what is read or written meanwhile is still in the cache when it is sealed, and others get theirs.
constexpr size_t kTurnBytes = 1 << 20;
// Input that waits is kept in pieces of about this.
constexpr size_t kInputChunk = 64 * 1024;
constexpr uint64_t kSecond = 1'000'000'000;

}  // namespace

std::unique_ptr<Service> make_sftp_service(ConnectionServices& connection) {
  return std::make_unique<SftpSession>(connection);
}

SftpSession::SftpSession(ConnectionServices& connection)
    : connection_(connection),
      log_(connection.part<TransferLog>()),
      jobs_(connection.login().user),
      memory_(connection.budget()),
      throttle_(connection.budget()) {
  caller_.emplace(connection.broker(), [user = owner()](std::vector<UniqueFd>&& late) {
    for (UniqueFd& file : late) FileIoPool::shared().close(std::move(file), user);
  });
}

void SftpSession::on_data(std::span<const MutableBytes> pieces) {
  size_t taken = 0;
  if (ended_) return;
  for (const MutableBytes piece : pieces) {
    size_t n = 0;
    if (input_.empty()) {
      n = reader_.feed(piece);
      taken += n;
    }
    if (n == piece.size() || broken()) continue;
    if (input_.empty() || input_.back().size() + piece.size() - n > kInputChunk) input_.emplace_back();
    input_.back().insert(input_.back().end(), piece.begin() + static_cast<std::ptrdiff_t>(n), piece.end());
  }
  flush_writes();
  channel_->consumed(taken);
  if (broken()) end(1);
}

bool SftpSession::resume_input() {
  bool some = false;
  while (!input_.empty() && !broken() && moved_ < kTurnBytes) {
    const MutableBytes rest = MutableBytes(input_.front()).subspan(input_taken_);
    const size_t n = reader_.feed(rest);
    flush_writes();
    channel_->consumed(n);
    input_taken_ += n;
    some = some || n > 0;
    if (n < rest.size()) break;
    input_.pop_front();
    input_taken_ = 0;
  }
  return some;
}

bool SftpSession::may_begin() {
  return !broken_ && tasks_.size() < kMaxTasks && task_bytes_ < kMaxTaskBytes && outbox_.bytes() < kMaxOutbox;
}

void SftpSession::on_packet(SftpType type, uint32_t id, Bytes body) {
  if (type == SftpType::init) return take_init(id);
  // Section 4: nothing comes before INIT.
  if (!began_) {
    broken_ = true;
    return;
  }
  WireReader reader(body);
  const std::string_view extension = type == SftpType::extended ? reader.text() : std::string_view();
  const SftpRequest* request = reader.ok() ? SftpRequests::find(type, extension) : nullptr;
  if (!request) return answer(id, SftpStatus::op_unsupported, "Unknown request");
  if (request->effect == SftpEffect::changes && connection_.settings().sftp.read_only) {
    WireReader handle(reader.rest());
    begin_to_answer(*request, reader.rest(), request->handles > 0 ? files_.find(handle.string()) : nullptr);
    return refuse(id, SftpStatus::permission_denied, "Read-only");
  }
  Task task{request, id};
  if (!take_handles(task, reader)) return answer(id, SftpStatus::failure, "No such handle");
  if (type == SftpType::read) {
    task.offset = reader.u64();
    task.length = std::min(reader.u32(), kMaxSftpData);
    if (!reader.ok()) return on_malformed(id);
    if (!task.file->readable) return answer(id, SftpStatus::permission_denied, "Not open for reading");
  } else {
    task.body.assign(reader.rest().begin(), reader.rest().end());
  }
  if (task.file) ++task.file->queued;
  if (task.other) ++task.other->queued;
  // What comes behind it finds the handle closed.
  if (type == SftpType::close) task.file->closing = true;
  task_bytes_ += task.body.size();
  tasks_.push_back(std::move(task));
}

bool SftpSession::take_handles(Task& task, WireReader& reader) {
  if (task.request->handles == 0) return true;
  task.file = files_.find(reader.string());
  if (task.request->handles == 1) return task.file != nullptr;
  // copy-data: the second one lies behind offset and length.
  WireReader ahead(reader.rest());
  ahead.raw(16);
  task.other = files_.find(ahead.string());
  return task.file && task.other;
}

void SftpSession::take_init(uint32_t version) {
  // Section 4: the lower of both versions; below ours there is nothing to speak.
  if (version < kSftpVersion || began_) {
    broken_ = true;
    return;
  }
  began_ = true;
  answer(SftpRequests::version_packet());
}

bool SftpSession::may_start(const Task& task) const {
  if (at_broker_ >= kMaxAtBroker || outbox_.bytes() >= kMaxOutbox) return false;
  const auto free = [](const SftpFile* file) {
    return !file || (file->exclusive == 0 && file->reads_out == 0 && file->writes.empty());
  };
  // A path may name a file that is being written.
  if (!task.file) return write_jobs_ == 0;
  return free(task.file) && free(task.other);
}

void SftpSession::drop_front() {
  const Task& task = tasks_.front();
  if (task.file) --task.file->queued;
  if (task.other) --task.other->queued;
  task_bytes_ -= task.body.size();
  tasks_.pop_front();
}

bool SftpSession::run_tasks(DraftStream& stream) {
  bool some = false;
  while (!tasks_.empty() && moved_ < kTurnBytes) {
    if (tasks_.front().request->type == SftpType::read) {
      if (serve_reads(stream) == Served::waits) break;
    } else {
      if (!may_start(tasks_.front())) break;
      Task task = std::move(tasks_.front());
      task_bytes_ -= task.body.size();
      tasks_.front().body.clear();
      drop_front();
      begin_to_answer(*task.request, task.body, task.file);
      task.request->start(*this, task);
    }
    some = true;
  }
  return some;
}

void SftpSession::on_turn() {
  if (ended_ || !channel_) return;
  take_jobs();
  moved_ = 0;
  read_in_turn_ = false;
  DraftStream stream(*channel_);
  bool more = true;
  while (more && moved_ < kTurnBytes) {
    outbox_.send(stream);
    more = run_tasks(stream);
    more = resume_input() || more;
  }
  outbox_.send(stream);
  if (outbox_.empty()) memory_.release(std::exchange(answer_bytes_, 0));
  const bool again = more || stream.full();
  stream.close();
  if (broken()) return end(1);
  if (eof_ && idle()) return end(0);
  if (again) channel_->ask_turn();
}

bool SftpSession::idle() const {
  return input_.empty() && tasks_.empty() && at_broker_ == 0 && jobs_.out() == 0 && outbox_.empty();
}

// The channel's last words: as a program would end.
void SftpSession::end(uint32_t exit_status) {
  if (ended_) return;
  release();
  std::array<uint8_t, 4> status;
  store_be32(status.data(), exit_status);
  channel_->request("exit-status", false, status);
  channel_->send_eof();
  channel_->close();
}

void SftpSession::release() {
  if (ended_) return;
  ended_ = true;
  caller_.reset();
  // What a write gathered has not been told and is not in the file.
  gather_.clear();
  write_file_ = nullptr;
  files_.each([this](const SftpFile& file) {
    if (file.kind != FileKind::directory) log_transfer(file, "interrupted");
    connection_.broker().tell(CloseHandle{file.broker_handle});
  });
  jobs_.leave();
  throttle_.leave();
  memory_.release_all();
  tasks_.clear();
  files_.clear();
  outbox_.clear();
  input_.clear();
}

void SftpSession::log_transfer(const SftpFile& file, std::string_view result) {
  if (!log_.kept()) return;
  const std::string figures =
      " read " + std::to_string(file.bytes_read) + " written " + std::to_string(file.bytes_written);
  const std::string_view operation = !file.writable ? "get" : file.readable ? "get/put" : "put";
  log_.ended("sftp", {operation, file.path, figures, file.opened_ns, result});
}

void SftpSession::begin_to_answer(const SftpRequest& request, Bytes body, const SftpFile* file) {
  asked_ = {&request};
  if (!log_.kept()) return;
  // Names of any length come, of which a line has the beginning.
  const auto taken = [](std::string_view name) { return std::string(name.substr(0, kMaxQuoted + 1)); };
  if (request.handles > 0) {
    if (file) asked_.path = taken(file->path);
    return;
  }
  WireReader reader(body);
  if (request.names > 0) asked_.path = taken(reader.text());
  if (request.names == 2) asked_.other = taken(reader.text());
}

// What a client only looks for may be missing; that he may not see it is told.
void SftpSession::tell_refused(const Asked& asked, SftpStatus status, std::string_view why) {
  const SftpRequest& request = *asked.request;
  if (request.effect == SftpEffect::changes || request.opens() || status == SftpStatus::permission_denied)
    log_.refused("sftp", request.operation(), asked.path, asked.other, why);
}

void SftpSession::refuse(uint32_t id, SftpStatus status, std::string_view why) {
  tell_refused(asked_, status, why);
  answer(id, status, why);
}

}  // namespace sluice
