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
constexpr size_t kMostDrafts = 16;
constexpr size_t kMostOfDraft = 256 * 1024;

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
    return describe_file(std::move(ahead->path), std::move(*ahead->opened));
  }
  if (!folder.entries.empty()) {
    const DirectoryEntry entry = std::move(folder.entries.front());
    folder.entries.pop_front();
    std::string path = folder.path;
    path.append("/").append(entry.name);
    if (path.size() >= kMaxPath) return refuse(path + ": name too long");
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
    if (path.size() >= kMaxPath) return;
    folder.entries.pop_front();
    Ahead* ahead = ahead_.emplace_back(std::make_unique<Ahead>()).get();
    ahead->path = path;
    ask(OpenFile{std::move(path), kOpenRead, 0}, [this, ahead](BrokerReceived&& received) {
      ahead->opened = std::move(received);
      const bool awaits = awaited_ == Awaited::nothing && !sending_ && !file_;
      if (awaits && !ahead_.empty() && ahead_.front().get() == ahead) ready_ = true;
    });
  }
}

void ScpSource::read_folder() {
  ask(ReadDirectory{folders_.back().handle, 1000}, [this](BrokerReceived&& received) {
    Folder& folder = folders_.back();
    auto* entries = std::get_if<Entries>(&received.answer);
    if (entries) {
      for (DirectoryEntry& entry : entries->entries) {
        if (entry.name != "." && entry.name != "..") folder.entries.push_back(std::move(entry));
      }
    } else {
      say_error(why_not(folder.path, received.answer));
    }
    folder.last = !entries || entries->last;
    ready_ = true;
  });
}

void ScpSource::open_argument(const std::string& path) {
  ask(OpenFile{path, kOpenRead, 0}, [this, path](BrokerReceived&& received) {
    const auto* failure = std::get_if<Failure>(&received.answer);
    const bool folder = failure && failure->fault == BrokerFault::is_directory;
    if (!folder || !command_.recursive) return describe_file(path, std::move(received));
    ask(StatPath{path}, [this, path](BrokerReceived&& seen) {
      const auto* found = std::get_if<Attributes>(&seen.answer);
      if (!found) return refuse(why_not(path, seen.answer));
      open_folder(path, found->attributes);
    });
  });
}

void ScpSource::describe_file(std::string path, BrokerReceived&& received) {
  const auto* opened = std::get_if<FileOpened>(&received.answer);
  if (!opened || received.descriptors.empty()) {
    const auto* failure = std::get_if<Failure>(&received.answer);
    const bool folder = failure && failure->fault == BrokerFault::is_directory;
    return refuse(folder ? path + ": not a regular file" : why_not(path, received.answer));
  }
  if (!S_ISREG(opened->attributes.mode)) {
    give_back(received.answer);
    return refuse(path + ": not a regular file");
  }
  file_.emplace();
  file_->path = std::move(path);
  file_->descriptor = std::move(received.descriptors[0]);
  file_->handle = opened->handle;
  file_->attributes = opened->attributes;
  file_->opened_ns = monotonic_clock().now_ns();
  if (command_.preserve) return say_times(file_->attributes, Awaited::file_times);
  say_file();
}

void ScpSource::open_folder(const std::string& path, const FileAttributes& attributes) {
  ask(OpenDirectory{path}, [this, path, attributes](BrokerReceived&& received) {
    const auto* opened = std::get_if<DirectoryOpened>(&received.answer);
    if (!opened) return refuse(why_not(path, received.answer));
    folders_.push_back({path, opened->handle, attributes, {}, false});
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

void ScpSource::refuse(std::string_view why) {
  say_error(why);
  ready_ = true;
}

// True when all of the file was sent.
bool ScpSource::send_data() {
  while (file_->offset < file_->attributes.size) {
    std::array<DataDraft, kMostDrafts> drafts;
    size_t count = 0, wanted = 0;
    while (count < drafts.size()) {
      const uint64_t left = file_->attributes.size - file_->offset - wanted;
      const auto draft =
          left > 0 ? channel_->reserve(static_cast<size_t>(std::min<uint64_t>(left, kMostOfDraft))) : std::nullopt;
      if (!draft) break;
      drafts[count++] = *draft;
      wanted += draft->data.size();
    }
    if (count == 0) return false;
    fill({drafts.data(), count}, wanted);
    for (size_t i = 0; i < count; ++i) channel_->finish(drafts[i], drafts[i].data.size());
    file_->offset += wanted;
  }
  sending_ = false;
  log_transfer({"get", file_->path, file_->offset, file_->opened_ns, file_->fault});
  if (file_->fault.empty()) {
    say_ok();
  } else {
    say_error(file_->fault);
  }
  drop_file();
  awaited_ = Awaited::file_end;
  return true;
}

// As many bytes as were promised: what cannot be read, or is no more there, is zeros, and an error is told behind them.
void ScpSource::fill(std::span<const DataDraft> drafts, size_t wanted) {
  std::array<iovec, kMostDrafts> places;
  for (size_t i = 0; i < drafts.size(); ++i) places[i] = {drafts[i].data.data(), drafts[i].data.size()};
  iovec* to = places.data();
  iovec* const end = places.data() + drafts.size();
  for (size_t got = 0; file_->fault.empty() && got < wanted;) {
    const ssize_t n =
        ::preadv(file_->descriptor.get(), to, static_cast<int>(end - to), static_cast<off_t>(file_->offset + got));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) file_->fault = why_not(file_->path, errno);
    if (n == 0) file_->fault = file_->path + ": file became shorter while it was sent";
    if (n <= 0) break;
    got += static_cast<size_t>(n);
    size_t gone = static_cast<size_t>(n);
    for (; gone > 0 && gone >= to->iov_len; ++to) gone -= to->iov_len;
    if (gone > 0) *to = {static_cast<uint8_t*>(to->iov_base) + gone, to->iov_len - gone};
  }
  if (file_->fault.empty()) return;
  for (; to != end; ++to) std::memset(to->iov_base, 0, to->iov_len);
}

void ScpSource::drop_file() {
  if (!file_) return;
  connection_.broker().tell(CloseHandle{file_->handle});
  file_.reset();
}

void ScpSource::drop_folder() {
  connection_.broker().tell(CloseHandle{folders_.back().handle});
  folders_.pop_back();
}

void ScpSource::release() {
  drop_file();
  for (const auto& ahead : ahead_) {
    if (ahead->opened) give_back(ahead->opened->answer);
  }
  ahead_.clear();
  while (!folders_.empty()) drop_folder();
}

}  // namespace sluice
