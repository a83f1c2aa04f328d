// Lines to requests, data to files. Every answer of ours is what scp's own sink says at that place.
#include "services/scp/scp_sink.h"

#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/clock.h"

namespace sluice {
namespace {

// A line has a name and three numbers.
constexpr size_t kMaxLine = 8192;
constexpr size_t kMaxPath = 4096;
constexpr size_t kMostPieces = 64;
// Bytes of one job: more in one call would not be faster, only later answered.
constexpr size_t kMostOfJob = 1 << 20;

std::string inside(const std::string& folder, std::string_view name) {
  std::string path = folder;
  if (!path.ends_with('/')) path.push_back('/');
  return path.append(name);
}

const FileAttributes* folder_of(const BrokerAnswer& answer) {
  const auto* found = std::get_if<Attributes>(&answer);
  return found && S_ISDIR(found->attributes.mode) ? &found->attributes : nullptr;
}

}  // namespace

bool ScpSink::File::regular() const { return S_ISREG(before.mode); }

void ScpSink::begin(std::vector<std::string> paths) {
  if (paths.size() != 1) {
    say_error("ambiguous target");
    return end();
  }
  ask(StatPath{paths[0]}, [this, path = paths[0]](BrokerReceived&& received) {
    const bool folder = folder_of(received.answer) != nullptr;
    if (command_.to_folder && !folder) {
      const bool there = std::holds_alternative<Attributes>(received.answer);
      say_refused(path, there ? why_not(ENOTDIR) : why_not(received.answer));
      return end();
    }
    enter({path, folder, {}, {}});
  });
}

void ScpSink::on_lost() {
  if (state_ == State::waiting) return;
  // What came is kept, though it is not all.
  if (file_ && !file_->jobs.empty()) return;
  if (state_ != State::line || !line_.empty())
    say_error(state_ == State::line ? "lost connection" : "dropped connection");
  end();
}

size_t ScpSink::take(std::span<const MutableBytes> pieces) {
  size_t taken = 0, first = 0, skip = 0;
  while (first < pieces.size() && state_ != State::waiting && !ended()) {
    const bool data = state_ == State::data;
    size_t n = data ? write(pieces, first, skip) : take_bytes(pieces[first].subspan(skip));
    taken += n;
    // The disk first, or the time.
    if (data && n == 0 && pieces[first].size() > skip) break;
    for (n += skip, skip = 0; first < pieces.size() && n >= pieces[first].size(); ++first) n -= pieces[first].size();
    skip = n;
  }
  return taken;
}

// Of lines and status bytes; as many as belong to one.
size_t ScpSink::take_bytes(Bytes bytes) {
  // A message may be empty.
  if (bytes.empty()) return 0;
  if (state_ == State::status) {
    state_ = State::status_text;
    if (bytes[0] == 0) {
      end_file();
      return 1;
    }
  }
  const std::string_view text = text_of(bytes);
  const size_t n = std::min(text.find('\n'), text.size());
  line_.append(text.substr(0, std::min(n, kMaxLine - std::min(kMaxLine, line_.size()) + 1)));
  if (line_.size() > kMaxLine) {
    fail("protocol error: line too long");
    return bytes.size();
  }
  if (n == text.size()) return n;
  take_line();
  line_.clear();
  return n + 1;
}

void ScpSink::take_line() {
  if (state_ == State::status_text) {
    count_error();
    if (line_[0] != 1) return end();
    return end_file();
  }
  if (line_.empty()) return fail("protocol error: unexpected <newline>");
  if (line_[0] == 1 || line_[0] == 2) {
    count_error();
    if (line_[0] == 2) end();
    return;
  }
  ScpLine line = parse_scp_line(line_);
  if (const auto* bad = std::get_if<ScpBadLine>(&line)) return fail(bad->text);
  if (std::holds_alternative<ScpFolderEnd>(line)) return leave();
  if (auto* entry = std::get_if<ScpEntry>(&line)) return take_entry(std::move(*entry));
  times_ = std::get<ScpTimes>(line).times;
  say_ok();
}

void ScpSink::take_entry(ScpEntry&& entry) {
  const auto times = std::exchange(times_, std::nullopt);
  if (entry.folder && !command_.recursive) return fail("protocol error: received directory without -r");
  if (has_control_characters(entry.name)) return refuse(entry.name, "invalid filename");
  const Level& level = levels_.back();
  std::string path = level.folder ? inside(level.path, entry.name) : level.path;
  if (path.size() >= kMaxPath) return refuse(path, why_not(ENAMETOOLONG));
  state_ = State::waiting;
  if (entry.folder) return make_folder(std::move(path), entry.mode, times);
  std::string_view why;
  auto grant = take_handle(why);
  if (!grant) return refuse(path, why);
  open_file(std::move(path), entry, times, false, std::move(grant));
}

// Until it is filled its owner must be able to enter and write.
void ScpSink::make_folder(std::string path, uint32_t mode, std::optional<FileTimes> times) {
  Level level{path, true, times, {}};
  if (command_.preserve) level.mode = mode;
  ask(MakeDirectory{path, mode | S_IRWXU}, [this, level, mode](BrokerReceived&& received) {
    if (!std::holds_alternative<Done>(received.answer)) return find_folder(level, received.answer);
    if (command_.preserve || (mode & S_IRWXU) == S_IRWXU) return enter(level);
    // Which mode the user's mask left of ours is only to be seen.
    ask(StatPath{level.path}, [this, level, mode](BrokerReceived&& seen) {
      Level made = level;
      if (const auto* now = folder_of(seen.answer)) made.mode = now->mode & 07777u & ~(S_IRWXU & ~mode);
      enter(made);
    });
  });
}

void ScpSink::find_folder(Level level, const BrokerAnswer& why) {
  ask(StatPath{level.path}, [this, level, why](BrokerReceived&& received) {
    if (folder_of(received.answer)) return enter(level);
    const bool there = std::holds_alternative<Attributes>(received.answer);
    refuse(level.path, there ? why_not(ENOTDIR) : why_not(why));
  });
}

void ScpSink::enter(Level level) {
  levels_.push_back(std::move(level));
  say_ok();
  state_ = State::line;
}

void ScpSink::leave() {
  const Level level = std::move(levels_.back());
  levels_.pop_back();
  if (!level.mode && !level.times) {
    say_ok();
  } else {
    state_ = State::waiting;
    AttributeChange change;
    change.mode = level.mode;
    change.times = level.times;
    ask(ChangePath{level.path, true, change}, [this](BrokerReceived&&) {
      say_ok();
      state_ = State::line;
    });
  }
  // One that does not wait to be answered: the end of the outermost level has no change.
  if (levels_.empty()) end();
}

// Most files are new: the one request finds out, makes it, and follows no link that somebody left there.
void ScpSink::open_file(std::string path, const ScpEntry& entry, std::optional<FileTimes> times, bool existing,
                        std::shared_ptr<HandleGrant> grant) {
  const uint32_t flags = kOpenWrite | kOpenCreate | (existing ? 0u : kOpenExclusive);
  OpenFile request{path, flags, entry.mode | S_IWUSR};
  ask(std::move(request),
      [this, path = std::move(path), entry, times, existing, grant = std::move(grant)](BrokerReceived&& received) {
        const auto* failure = std::get_if<Failure>(&received.answer);
        if (failure && failure->fault == BrokerFault::exists && !existing)
          return open_file(path, entry, times, true, grant);
        const auto* opened = std::get_if<FileOpened>(&received.answer);
        if (!opened || received.descriptors.empty()) return refuse(path, why_not(received.answer));
        if (!S_ISREG(opened->attributes.mode) && !S_ISCHR(opened->attributes.mode)) {
          give_back(std::move(received));
          return refuse(path, "not a regular file");
        }
        file_.emplace();
        file_->path = path;
        file_->grant = grant;
        file_->held = HeldFile(std::move(received.descriptors[0]), owner());
        file_->handle = opened->handle;
        file_->before = opened->attributes;
        file_->existed = existing;
        file_->mode = entry.mode;
        file_->times = times;
        file_->size = entry.size;
        file_->opened_ns = monotonic_clock().now_ns();
        say_ok();
        state_ = entry.size > 0 ? State::data : State::status;
      });
}

// After a fault the rest is read and dropped: both sides must agree where the next line begins.
size_t ScpSink::write(std::span<const MutableBytes> pieces, size_t first, size_t skip) {
  std::array<iovec, kMostPieces> places;
  size_t count = 0, wanted = 0;
  const bool waits = file_->held.waits();
  uint64_t left = file_->size - file_->offset;
  if (waits)
    left = std::min<uint64_t>(left, std::min(kMaxScpJobs - std::min(kMaxScpJobs, file_->job_bytes), memory_.room()));
  if (throttle_.capped()) left = throttle_.holds_back() ? 0 : std::min<uint64_t>(left, throttle_.most_at_once());
  for (; first < pieces.size() && count < places.size() && wanted < left; ++first, skip = 0) {
    const size_t n = static_cast<size_t>(std::min<uint64_t>(pieces[first].size() - skip, left - wanted));
    places[count++] = {pieces[first].data() + skip, n};
    wanted += n;
  }
  if (file_->fault.empty() && wanted > 0) {
    if (waits) {
      write_in_pool({places.data(), count}, wanted);
    } else {
      write_now({places.data(), count}, wanted);
    }
  }
  file_->offset += wanted;
  throttle_.spend(wanted);
  if (file_->offset == file_->size) state_ = State::status;
  return wanted;
}

void ScpSink::write_now(std::span<const iovec> places, size_t size) {
  WriteMark mark{0, 0, size};
  WriteRun run{file_->held.descriptor->get(), file_->regular(), file_->offset, places, {&mark, 1}, 0};
  write_run(run);
  file_->written += run.written;
  if (mark.error != 0) file_->fault = why_not(mark.error);
}

void ScpSink::write_in_pool(std::span<const iovec> places, size_t size) {
  // The first may be in the pool; one that waits grows.
  const bool grows = !file_->jobs.empty() && file_->jobs.back() && file_->jobs.back()->buffer.size() < kMostOfJob;
  if (!grows) {
    auto job = jobs_.blank(FileJob::Kind::write);
    job->file = file_->held.descriptor;
    job->seekable = file_->regular();
    job->offset = file_->offset;
    job->buffer.reserve(static_cast<size_t>(std::min<uint64_t>(file_->size - file_->offset, kMostOfJob + size)));
    file_->jobs.push_back(std::move(job));
  }
  std::vector<uint8_t>& buffer = file_->jobs.back()->buffer;
  for (const iovec& place : places) {
    const auto* from = static_cast<const uint8_t*>(place.iov_base);
    buffer.insert(buffer.end(), from, from + place.iov_len);
  }
  file_->job_bytes += size;
  memory_.hold(size);
  if (buffer.size() >= kMostOfJob) start_jobs();
}

void ScpSink::start_jobs() {
  if (!file_ || file_->jobs.empty() || !file_->jobs.front()) return;
  FileJob& job = *file_->jobs.front();
  if (job.kind == FileJob::Kind::write) job.marks = {{0, 0, job.buffer.size()}};
  // In its place stays nothing until it is back.
  jobs_.submit(std::move(file_->jobs.front()));
}

void ScpSink::take_job(std::unique_ptr<FileJob> job) {
  file_->jobs.pop_front();
  file_->job_bytes -= job->buffer.size();
  memory_.release(job->buffer.size());
  if (job->kind == FileJob::Kind::write) file_->written += job->got;
  int error = job->error;
  for (const WriteMark& mark : job->marks) error = mark.error != 0 ? mark.error : error;
  if (error != 0 && file_->fault.empty()) {
    file_->fault = why_not(error);
    drop_writes();
  }
  jobs_.done_with(std::move(job));
  if (!file_->jobs.empty()) return start_jobs();
  if (std::exchange(file_->ended, false)) finish_file();
}

// What would follow a place that could not be written.
void ScpSink::drop_writes() {
  for (const auto& next : file_->jobs) {
    file_->job_bytes -= next->buffer.size();
    memory_.release(next->buffer.size());
    next->buffer.clear();
    if (next->closes) next->kind = FileJob::Kind::close;
  }
  std::erase_if(file_->jobs, [](const auto& next) { return next->kind == FileJob::Kind::write; });
}

// A file that waits is closed in the pool, if it can be by the job that wrote its end.
void ScpSink::end_file() {
  if (!file_->held.waits()) return finish_file();
  const bool new_job = file_->jobs.empty() || !file_->jobs.back();
  if (new_job) {
    if (file_->size == 0 && !file_->held.far) return finish_file();
    auto job = jobs_.blank(FileJob::Kind::close);
    job->file = file_->held.descriptor;
    file_->jobs.push_back(std::move(job));
  } else {
    file_->jobs.back()->closes = true;
  }
  file_->held.descriptor.reset();
  file_->ended = true;
  state_ = State::waiting;
}

void ScpSink::finish_file() {
  const uint32_t now = file_->before.mode & 07777u;
  AttributeChange change;
  if (file_->fault.empty() && file_->regular() && file_->before.size > file_->size) change.size = file_->size;
  if (command_.preserve) {
    // Writing has taken the set-id bits away.
    if (now != file_->mode || (file_->mode & 06000u) != 0) change.mode = file_->mode;
  } else if (!file_->existed && (file_->mode & S_IWUSR) == 0) {
    change.mode = now & ~static_cast<uint32_t>(S_IWUSR);
  }
  change.times = file_->times;
  if (!change.size && !change.mode && !change.times) return close_file();
  ask_of_file(ChangeHandle{file_->handle, change}, [this] { close_file(); });
}

// What is at somebody's server may say only with the last of its descriptors that writing failed, and that is the
// broker's.
void ScpSink::close_file() {
  if (!file_->held.far) return answer_file();
  ask_of_file(CloseHandle{std::exchange(file_->handle, 0)}, [this] { answer_file(); });
}

void ScpSink::ask_of_file(BrokerRequest request, std::function<void()> then) {
  state_ = State::waiting;
  ask(std::move(request), [this, then = std::move(then)](BrokerReceived&& received) {
    if (file_->fault.empty() && !std::holds_alternative<Done>(received.answer)) file_->fault = why_not(received.answer);
    then();
  });
}

void ScpSink::answer_file() {
  log_transfer(file_->path, file_->written, file_->opened_ns, file_->fault);
  file_->logged = true;
  if (file_->fault.empty()) {
    say_ok();
  } else {
    say_error(file_->path, file_->fault);
  }
  release();
  state_ = State::line;
}

// This file or folder is not copied; the sender goes on with the next.
void ScpSink::refuse(std::string_view path, std::string_view why) {
  say_refused(path, why);
  state_ = State::line;
}

void ScpSink::fail(std::string_view why) {
  say_error(why);
  end();
}

void ScpSink::release() {
  if (!file_) return;
  if (!file_->logged)
    log_transfer(file_->path, file_->written, file_->opened_ns, file_->fault.empty() ? "interrupted" : file_->fault);
  if (file_->handle != 0) connection_.broker().tell(CloseHandle{file_->handle});
  file_.reset();
  jobs_.trim();
}

}  // namespace sluice
