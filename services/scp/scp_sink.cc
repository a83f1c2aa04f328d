// Lines to requests, data to files. Every answer of ours is what scp's own sink says at that place.
#include "services/scp/scp_sink.h"

#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/clock.h"

namespace sluice {
namespace {

// A line has a name and three numbers.
constexpr size_t kMaxLine = 8192;
constexpr size_t kMaxPath = 4096;
constexpr size_t kMostPieces = 64;

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
      say_error(there ? why_not(path, ENOTDIR) : why_not(path, received.answer));
      return end();
    }
    enter({path, folder, {}, {}});
  });
}

void ScpSink::on_lost() {
  if (state_ == State::waiting) return;
  if (state_ != State::line || !line_.empty())
    say_error(state_ == State::line ? "lost connection" : "dropped connection");
  end();
}

size_t ScpSink::take(std::span<const MutableBytes> pieces) {
  size_t taken = 0, first = 0, skip = 0;
  while (first < pieces.size() && state_ != State::waiting && !ended()) {
    size_t n = state_ == State::data ? write(pieces, first, skip) : take_bytes(pieces[first].subspan(skip));
    taken += n;
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
      finish_file();
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
    return finish_file();
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
  if (has_control_characters(entry.name)) return refuse("error: invalid filename: " + entry.name);
  const Level& level = levels_.back();
  std::string path = level.folder ? inside(level.path, entry.name) : level.path;
  if (path.size() >= kMaxPath) return refuse(why_not(path, ENAMETOOLONG));
  state_ = State::waiting;
  if (entry.folder) return make_folder(std::move(path), entry.mode, times);
  open_file(std::move(path), entry, times, false);
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
    refuse(there ? why_not(level.path, ENOTDIR) : why_not(level.path, why));
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
void ScpSink::open_file(std::string path, const ScpEntry& entry, std::optional<FileTimes> times, bool existing) {
  const uint32_t flags = kOpenWrite | kOpenCreate | (existing ? 0u : kOpenExclusive);
  OpenFile request{path, flags, entry.mode | S_IWUSR};
  ask(std::move(request), [this, path = std::move(path), entry, times, existing](BrokerReceived&& received) {
    const auto* failure = std::get_if<Failure>(&received.answer);
    if (failure && failure->fault == BrokerFault::exists && !existing) return open_file(path, entry, times, true);
    const auto* opened = std::get_if<FileOpened>(&received.answer);
    if (!opened || received.descriptors.empty()) return refuse(why_not(path, received.answer));
    if (!S_ISREG(opened->attributes.mode) && !S_ISCHR(opened->attributes.mode)) {
      connection_.broker().tell(CloseHandle{opened->handle});
      return refuse(path + ": not a regular file");
    }
    file_.emplace();
    file_->path = path;
    file_->descriptor = std::move(received.descriptors[0]);
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
  const uint64_t left = file_->size - file_->offset;
  for (; first < pieces.size() && count < places.size() && wanted < left; ++first, skip = 0) {
    const size_t n = static_cast<size_t>(std::min<uint64_t>(pieces[first].size() - skip, left - wanted));
    places[count++] = {pieces[first].data() + skip, n};
    wanted += n;
  }
  const int descriptor = file_->descriptor.get();
  size_t written = 0;
  for (iovec* from = places.data(); file_->fault.empty() && written < wanted;) {
    const int pieces_left = static_cast<int>(places.data() + count - from);
    const ssize_t n = file_->regular()
                          ? ::pwritev(descriptor, from, pieces_left, static_cast<off_t>(file_->offset + written))
                          : ::writev(descriptor, from, pieces_left);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      file_->fault = why_not(file_->path, n < 0 ? errno : ENOSPC);
      break;
    }
    written += static_cast<size_t>(n);
    size_t gone = static_cast<size_t>(n);
    for (; gone > 0 && gone >= from->iov_len; ++from) gone -= from->iov_len;
    if (gone > 0) *from = {static_cast<uint8_t*>(from->iov_base) + gone, from->iov_len - gone};
  }
  file_->offset += wanted;
  if (file_->offset == file_->size) state_ = State::status;
  return wanted;
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
  if (!change.size && !change.mode && !change.times) return answer_file();
  state_ = State::waiting;
  ask(ChangeHandle{file_->handle, change}, [this](BrokerReceived&& received) {
    if (file_->fault.empty() && !std::holds_alternative<Done>(received.answer))
      file_->fault = why_not(file_->path, received.answer);
    answer_file();
  });
}

void ScpSink::answer_file() {
  log_transfer({"put", file_->path, file_->offset, file_->opened_ns, file_->fault});
  if (file_->fault.empty()) {
    say_ok();
  } else {
    say_error(file_->fault);
  }
  release();
  state_ = State::line;
}

// This file or folder is not copied; the sender goes on with the next.
void ScpSink::refuse(std::string_view why) {
  say_error(why);
  state_ = State::line;
}

void ScpSink::fail(std::string_view why) {
  say_error(why);
  end();
}

void ScpSink::release() {
  if (!file_) return;
  connection_.broker().tell(CloseHandle{file_->handle});
  file_.reset();
}

}  // namespace sluice
