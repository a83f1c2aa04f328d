// A walk through the tree, one thing described at a time, as the client's answers allow.
#include "services/scp/scp_source.h"

#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/clock.h"

namespace sluice {
namespace {

constexpr size_t kMaxPath = 4096;
constexpr size_t kMaxReply = 8192;
// Opens that are under way while a file is sent: what a small file costs is the way to the broker and back.
constexpr size_t kMostAhead = 8;
constexpr size_t kMostPlaces = 32;
// Of one batch, and of one so deep in a tree that there are many.
constexpr uint32_t kMostEntries = 1000, kFewEntries = 50;
constexpr size_t kFewFolders = 8;
// Bytes of one job of the pool.
constexpr size_t kMostOfRead = 512 * 1024;
// Where one piece was not in the cache, so much of a file goes through the pool before the cache is tried again.
constexpr uint64_t kPoolStretch = 8 << 20;

std::string_view last_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// A newline in a name would begin a line of the namer's making.
std::string name_of(const std::string& path) {
  const std::string_view last = last_of(path);
  return last.find('\n') == last.npos ? std::string(last) : printable(last);
}

std::string entry_line(char kind, uint32_t mode, uint64_t size, const std::string& path) {
  std::string line(1, kind);
  for (int shift = 9; shift >= 0; shift -= 3) line.push_back(static_cast<char>('0' + (mode >> shift & 7)));
  line.append(" ").append(std::to_string(size)).append(" ").append(name_of(path)).append("\n");
  return line;
}

}  // namespace

void ScpSource::begin(std::vector<std::string> paths) {
  arguments_ = std::move(paths);
  awaited_ = Awaited::start;
}

void ScpSource::on_lost() {
  if (awaited_ == Awaited::nothing) return;
  count_error();
  end();
}

size_t ScpSource::take(std::span<const MutableBytes> pieces) {
  size_t taken = 0;
  for (const MutableBytes& piece : pieces) {
    for (const uint8_t byte : piece) {
      if (awaited_ == Awaited::nothing || ended()) return taken;
      ++taken;
      if (reply_.empty() && byte == 0) {
        take_answer(true);
        continue;
      }
      reply_.push_back(static_cast<char>(byte));
      if (byte != '\n' && reply_.size() < kMaxReply) continue;
      // Told there what is wrong: nobody reads it here.
      const bool go_on = reply_[0] == 1;
      reply_.clear();
      count_error();
      if (!go_on) return end(), taken;
      take_answer(false);
    }
  }
  return taken;
}

void ScpSource::take_answer(bool success) {
  switch (std::exchange(awaited_, Awaited::nothing)) {
    case Awaited::nothing: return;
    case Awaited::file_times:
      if (success) return say_file();
      drop_file();
      break;
    case Awaited::file_entry:
      if (success) {
        sending_ = true;
        return;
      }
      drop_file();
      break;
    case Awaited::folder_times:
      if (success) return say_folder();
      drop_folder();
      break;
    case Awaited::folder_entry:
      if (!success) drop_folder();
      break;
    case Awaited::start:
    case Awaited::file_end:
    case Awaited::folder_end: break;
  }
  ready_ = true;
}

void ScpSource::send() {
  if (sending_ && !send_data()) return;
  // Until something is said that must be answered, or waits for the broker.
  if (std::exchange(ready_, false)) next();
}

void ScpSource::next() {
  if (!folders_.empty()) return next_of_folder();
  if (argument_ == arguments_.size()) return end();
  std::string& path = arguments_[argument_++];
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  open_argument(path);
}

void ScpSource::next_of_folder() {
  ask_ahead();
  Folder& folder = folders_.back();
  if (!ahead_.empty()) {
    if (!ahead_.front()->opened) return;  // its answer makes us ready
    const auto ahead = std::move(ahead_.front());
    ahead_.pop_front();
    return describe_file(std::move(ahead->path), std::move(*ahead->opened), std::move(ahead->grant));
  }
  if (!folder.entries.empty()) {
    const DirectoryEntry entry = std::move(folder.entries.front());
    folder.entries.pop_front();
    std::string path = folder.path;
    path.append("/").append(entry.name);
    if (path.size() >= kMaxPath) return refuse(path, "name too long");
    return S_ISDIR(entry.attributes.mode) ? open_folder(path, entry.attributes) : open_argument(path);
  }
  if (!folder.last) return read_folder();
  drop_folder();
  say("E\n");
  awaited_ = Awaited::folder_end;
}

// Regular files at the front of the folder's list.
void ScpSource::ask_ahead() {
  Folder& folder = folders_.back();
  while (ahead_.size() < kMostAhead && !folder.entries.empty() && S_ISREG(folder.entries.front().attributes.mode)) {
    std::string path = folder.path;
    path.append("/").append(folder.entries.front().name);
    std::string_view why;
    auto grant = path.size() < kMaxPath ? take_handle(why) : nullptr;
    if (!grant) return;
    folder.entries.pop_front();
    Ahead* ahead = ahead_.emplace_back(std::make_unique<Ahead>(path, std::move(grant))).get();
    ask(OpenFile{std::move(path), kOpenRead, 0}, [this, ahead](BrokerReceived&& received) {
      ahead->opened = std::move(received);
      const bool awaits = awaited_ == Awaited::nothing && !sending_ && !file_;
      if (awaits && !ahead_.empty() && ahead_.front().get() == ahead) ready_ = true;
    });
  }
}

void ScpSource::read_folder() {
  // What is not sent yet of the folders above waits in memory.
  const uint32_t most = folders_.size() <= kFewFolders ? kMostEntries : kFewEntries;
  ask(ReadDirectory{folders_.back().handle, most}, [this](BrokerReceived&& received) {
    Folder& folder = folders_.back();
    auto* entries = std::get_if<Entries>(&received.answer);
    if (entries) {
      for (DirectoryEntry& entry : entries->entries) {
        if (entry.name != "." && entry.name != "..") folder.entries.push_back(std::move(entry));
      }
    } else {
      say_refused(folder.path, why_not(received.answer));
    }
    folder.last = !entries || entries->last;
    ready_ = true;
  });
}

void ScpSource::open_argument(const std::string& path) {
  std::string_view why;
  auto grant = take_handle(why);
  if (!grant) return refuse(path, why);
  ask(OpenFile{path, kOpenRead, 0}, [this, path, grant](BrokerReceived&& received) {
    const auto* failure = std::get_if<Failure>(&received.answer);
    const bool folder = failure && failure->fault == BrokerFault::is_directory;
    if (!folder || !command_.recursive) return describe_file(path, std::move(received), grant);
    ask(StatPath{path}, [this, path](BrokerReceived&& seen) {
      const auto* found = std::get_if<Attributes>(&seen.answer);
      if (!found) return refuse(path, why_not(seen.answer));
      open_folder(path, found->attributes);
    });
  });
}

void ScpSource::describe_file(std::string path, BrokerReceived&& received, std::shared_ptr<HandleGrant> grant) {
  const auto* opened = std::get_if<FileOpened>(&received.answer);
  if (!opened || received.descriptors.empty()) {
    const auto* failure = std::get_if<Failure>(&received.answer);
    const bool folder = failure && failure->fault == BrokerFault::is_directory;
    return refuse(path, folder ? "not a regular file" : why_not(received.answer));
  }
  if (!S_ISREG(opened->attributes.mode)) {
    give_back(std::move(received));
    return refuse(path, "not a regular file");
  }
  file_.emplace();
  file_->path = std::move(path);
  file_->grant = std::move(grant);
  file_->held = HeldFile(std::move(received.descriptors[0]), owner());
  file_->handle = opened->handle;
  file_->attributes = opened->attributes;
  file_->opened_ns = monotonic_clock().now_ns();
  if (command_.preserve) return say_times(file_->attributes, Awaited::file_times);
  say_file();
}

void ScpSource::open_folder(const std::string& path, const FileAttributes& attributes) {
  std::string_view why;
  auto grant = take_handle(why);
  if (!grant) return refuse(path, why);
  ask(OpenDirectory{path}, [this, path, attributes, grant](BrokerReceived&& received) {
    const auto* opened = std::get_if<DirectoryOpened>(&received.answer);
    if (!opened) return refuse(path, why_not(received.answer));
    folders_.push_back({path, opened->handle, attributes, grant});
    if (command_.preserve) return say_times(attributes, Awaited::folder_times);
    say_folder();
  });
}

// The protocol has no times before 1970.
void ScpSource::say_times(const FileAttributes& attributes, Awaited then) {
  const auto seconds = [](const FileTime& time) { return std::to_string(std::max<int64_t>(time.seconds, 0)); };
  std::string line = "T";
  line.append(seconds(attributes.modified)).append(" 0 ").append(seconds(attributes.accessed)).append(" 0\n");
  say(line);
  awaited_ = then;
}

void ScpSource::say_file() {
  say(entry_line('C', file_->attributes.mode, file_->attributes.size, file_->path));
  awaited_ = Awaited::file_entry;
}

void ScpSource::say_folder() {
  say(entry_line('D', folders_.back().attributes.mode, 0, folders_.back().path));
  awaited_ = Awaited::folder_entry;
}

void ScpSource::refuse(std::string_view path, std::string_view why) {
  say_refused(path, why);
  ready_ = true;
}

// True when all of the file was sent.
bool ScpSource::send_data() {
  while (file_->offset < file_->attributes.size) {
    if (!may_send() || throttle_.holds_back()) return false;
    DraftStream stream(*channel_);
    const uint64_t left = file_->attributes.size - file_->offset;
    const size_t room = stream.ensure(static_cast<size_t>(std::min<uint64_t>(left, throttle_.most_at_once())));
    const size_t filled = room > 0 ? fill(stream, room) : 0;
    if (filled == 0) return false;
    stream.move_to(filled);
    file_->offset += filled;
    throttle_.spend(filled);
  }
  end_data();
  return true;
}

void ScpSource::end_data() {
  sending_ = false;
  log_transfer(file_->path, file_->offset, file_->opened_ns, file_->fault);
  if (file_->fault.empty()) {
    say_ok();
  } else {
    say_error(file_->path, file_->fault);
  }
  drop_file();
  awaited_ = Awaited::file_end;
}

// False: the pool is to answer first.
bool ScpSource::may_send() const { return !file_->fault.empty() || file_->reads.empty() || file_->reads.front().done; }

// As many bytes as were promised: what cannot be read, or is no more there, is zeros, and an error is told behind them.
// Nothing: not now.
size_t ScpSource::fill(DraftStream& stream, size_t room) {
  std::array<iovec, kMostPlaces> places;
  const auto all = std::span(places).first(stream.places(0, room, places));
  size_t filled = 0;
  if (file_->fault.empty()) filled = file_->reads.empty() ? read_now(all) : take_read(stream, room);
  if (file_->fault.empty()) return filled;
  drop_reads();
  for (const iovec& place : all) std::memset(place.iov_base, 0, place.iov_len);
  return room;
}

size_t ScpSource::read_now(std::span<const iovec> places) {
  HeldFile& held = file_->held;
  const bool tries = !held.waits() || (held.cached_reads && file_->offset >= file_->pool_until);
  ssize_t n = -1;
  errno = EAGAIN;
  if (tries) {
    do {
      n = ::preadv2(held.descriptor->get(), places.data(), static_cast<int>(places.size()),
                    static_cast<off_t>(file_->offset), held.waits() ? RWF_NOWAIT : 0);
    } while (n < 0 && errno == EINTR);
  }
  if (n > 0) return static_cast<size_t>(n);
  if (n == 0) {
    file_->fault = "file became shorter while it was sent";
  } else if (held.waits() && (errno == EAGAIN || errno == EOPNOTSUPP || errno == ENOSYS)) {
    if (errno != EAGAIN) held.cached_reads = false;
    file_->asked = file_->offset;
    if (tries) file_->pool_until = file_->offset + kPoolStretch;
    read_ahead();
  } else {
    file_->fault = why_not(errno);
  }
  return 0;
}

void ScpSource::read_ahead() {
  const HeldFile& held = file_->held;
  const uint64_t until =
      held.cached_reads ? std::min(file_->pool_until, file_->attributes.size) : file_->attributes.size;
  // Also of reads that nobody waits for any more.
  while (file_->asked < until && memory_.held() + kMostOfRead <= kMaxScpJobs && kMostOfRead <= memory_.room()) {
    auto job = jobs_.blank(FileJob::Kind::read);
    job->file = held.descriptor;
    job->offset = file_->asked;
    job->id = ++last_read_;
    job->buffer.resize(static_cast<size_t>(std::min<uint64_t>(until - file_->asked, kMostOfRead)));
    file_->asked += job->buffer.size();
    memory_.hold(job->buffer.size());
    file_->reads.push_back({job->id});
    jobs_.submit(std::move(job));
  }
}

// One that nobody waits for was of a file that is gone, or of what came behind its end.
void ScpSource::take_job(std::unique_ptr<FileJob> job) {
  if (file_) {
    for (Read& read : file_->reads) {
      if (read.id != job->id) continue;
      read.done = std::move(job);
      return;
    }
  }
  drop_job(std::move(job));
}

void ScpSource::drop_job(std::unique_ptr<FileJob> job) {
  memory_.release(job->buffer.size());
  jobs_.done_with(std::move(job));
}

void ScpSource::drop_reads() {
  for (Read& read : file_->reads) {
    if (read.done) drop_job(std::move(read.done));
  }
  file_->reads.clear();
}

size_t ScpSource::take_read(DraftStream& stream, size_t room) {
  size_t filled = 0;
  while (filled < room && !file_->reads.empty() && file_->reads.front().done) {
    Read& read = file_->reads.front();
    const FileJob& job = *read.done;
    // What was read before it goes out first: a fault makes zeros of all that is asked for.
    if (job.error != 0 || job.got == 0) {
      if (filled == 0) file_->fault = job.error != 0 ? why_not(job.error) : "file became shorter while it was sent";
      return filled;
    }
    const size_t n = std::min(room - filled, job.got - read.sent);
    stream.patch(filled, Bytes(job.buffer).subspan(read.sent, n));
    filled += n;
    read.sent += n;
    if (read.sent < job.got) break;
    // Short: what came behind it says why, and is asked for.
    const bool whole = job.got == job.buffer.size();
    drop_job(std::move(read.done));
    file_->reads.pop_front();
    if (!whole) {
      drop_reads();
      break;
    }
    read_ahead();
  }
  return filled;
}

void ScpSource::drop_file() {
  if (!file_) return;
  drop_reads();
  connection_.broker().tell(CloseHandle{file_->handle});
  file_.reset();
  jobs_.trim();
}

void ScpSource::drop_folder() {
  connection_.broker().tell(CloseHandle{folders_.back().handle});
  folders_.pop_back();
}

void ScpSource::release() {
  if (file_ && sending_)
    log_transfer(file_->path, file_->offset, file_->opened_ns, file_->fault.empty() ? "interrupted" : file_->fault);
  drop_file();
  for (const auto& ahead : ahead_) {
    if (ahead->opened) give_back(std::move(*ahead->opened));
  }
  ahead_.clear();
  while (!folders_.empty()) drop_folder();
}

}  // namespace sluice
