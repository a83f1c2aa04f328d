// LegacyTalk's sink: records of a server, which may be any stranger's, become files below the target.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "apps/sluice/scp/legacy_talk.h"

namespace sluice {
namespace {

constexpr size_t kPiece = 128 * 1024;

std::string errno_text() { return std::strerror(errno); }

bool is_folder(const std::string& path) {
  struct stat facts {};
  return ::stat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode);
}

std::array<timespec, 2> both_of(const FileTimes& times) {
  const auto of = [](const auto& t) {
    return timespec{static_cast<time_t>(t.seconds), static_cast<long>(t.nanoseconds)};
  };
  return {of(times.accessed), of(times.modified)};
}

// What names a request may be answered with: the last component of what was asked for.
ShellWord last_component(const std::string& pattern) {
  const auto words = split_shell_words(pattern);
  if (!words || words->size() != 1) return {};
  ShellWord word = words->front();
  while (word.text.size() > 1 && word.text.ends_with('/')) {
    word.text.pop_back();
    word.special.pop_back();
  }
  const size_t at = word.text.rfind('/') + 1;
  word.text.erase(0, at);
  word.special.erase(word.special.begin(), word.special.begin() + static_cast<ptrdiff_t>(at));
  return word;
}

}  // namespace

bool LegacyTalk::refuse(const std::string& why) {
  say("\1scp: " + printable(why) + "\n");
  return complain(why);
}

bool LegacyTalk::receive(const std::string& pattern, const std::string& target) {
  target_ = target;
  into_ = is_folder(target);
  const ShellWord wanted = last_component(pattern);
  say_ok();
  while (!broken_ && !wishes_.interrupted()) {
    char first = 0;
    // Its end, between records, is how it says that there is no more.
    const ssize_t n = ::read(socket_, &first, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    const auto rest = read_line();
    if (!rest) return complain("lost connection");
    if (first == 1 || first == 2) {
      std::fprintf(stderr, "%s\n", fit_for_terminal(*rest, 4096).c_str());
      good_ = false;
      if (first == 2) broken_ = true;
      continue;
    }
    if (!take_record(first + *rest, wanted)) broken_ = true;
  }
  while (!levels_.empty()) leave_folder();
  if (wishes_.interrupted()) return false;
  return good_;
}

// False: the other side makes no sense, or is no friend; nothing more of it is taken.
bool LegacyTalk::take_record(const std::string& line, const ShellWord& wanted) {
  const ScpLine record = parse_scp_line(line);
  if (const auto* bad = std::get_if<ScpBadLine>(&record)) return refuse(bad->text);
  if (const auto* times = std::get_if<ScpTimes>(&record)) {
    times_ = times->times;
    return say_ok(), true;
  }
  if (const auto* entry = std::get_if<ScpEntry>(&record)) return take_entry(*entry, wanted);
  if (levels_.empty()) return refuse("protocol error: end of a folder that did not begin");
  leave_folder();
  return say_ok(), true;
}

bool LegacyTalk::take_entry(const ScpEntry& entry, const ShellWord& wanted) {
  if (has_control_characters(entry.name)) return refuse("error: unexpected filename: " + printable(entry.name));
  // A request for a folder itself (`.`, nothing) may be answered by any one name.
  const bool any = wanted.text.empty() || wanted.text == "." || wanted.text == ".." || wanted.text == "~";
  if (levels_.empty() && !wishes_.trust_names && !any && !matches_pattern(entry.name, wanted, 0, wanted.text.size())) {
    return refuse("error: filename does not match request: " + printable(entry.name) + " (-T takes it all the same)");
  }
  // A second one would replace the first.
  if (levels_.empty() && !into_ && std::exchange(target_taken_, true)) {
    return refuse(target_ + ": not a directory, and there is more than one source");
  }
  const std::string path = path_for(entry.name);
  if (!entry.folder) return receive_file(entry, path);
  if (!wishes_.recursive) return refuse("error: received directory without -r");
  if (levels_.size() >= kMaxTreeDepth) return refuse("error: folders are nested too deep");
  return enter_folder(entry, path);
}

std::string LegacyTalk::path_for(const std::string& name) const {
  if (!levels_.empty()) return path_in(levels_.back().path, name);
  return into_ ? path_in(target_, name) : target_;
}

bool LegacyTalk::enter_folder(const ScpEntry& entry, const std::string& path) {
  std::optional<uint32_t> mode;
  if (::mkdir(path.c_str(), (entry.mode & 0777) | S_IRWXU) == 0) {
    if (wishes_.preserve || (entry.mode & S_IRWXU) != S_IRWXU) mode = entry.mode & 07777;
  } else if (const int error = errno; error != EEXIST || !is_folder(path)) {
    return refuse(path + ": " + std::strerror(error));
  } else if (wishes_.preserve) {
    mode = entry.mode & 07777;
  }
  levels_.push_back({path, wishes_.preserve ? std::exchange(times_, {}) : std::nullopt, mode});
  times_.reset();
  return say_ok(), true;
}

void LegacyTalk::leave_folder() {
  const Level level = std::move(levels_.back());
  levels_.pop_back();
  if (level.times) (void)::utimensat(AT_FDCWD, level.path.c_str(), both_of(*level.times).data(), 0);
  // Without -p the umask has its say.
  if (level.mode) {
    const mode_t mask = ::umask(0);
    ::umask(mask);
    (void)::chmod(level.path.c_str(), wishes_.preserve ? *level.mode : *level.mode & 0777 & ~mask);
  }
}

bool LegacyTalk::receive_file(const ScpEntry& entry, const std::string& path) {
  const auto times = std::exchange(times_, {});
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, (entry.mode & 0777) | S_IWUSR));
  struct stat facts {};
  if (!file || ::fstat(file.get(), &facts) != 0 || S_ISDIR(facts.st_mode)) {
    refuse(path + ": " + errno_text());
    return true;
  }
  say_ok();
  if (wishes_.meter) wishes_.meter->begin(fit_for_terminal(entry.name), entry.size, 0);
  std::string fault;
  std::vector<char> piece(kPiece);
  uint64_t done = 0;
  while (done < entry.size && !broken_) {
    const size_t part = std::min<uint64_t>(piece.size(), entry.size - done);
    if (!read_all(piece.data(), part)) break;
    for (size_t at = 0; at < part && fault.empty();) {
      const ssize_t n = ::write(file.get(), piece.data() + at, part - at);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0)
        fault = errno_text();
      else
        at += static_cast<size_t>(n);
    }
    done += part;
    pace(part);
    if (wishes_.meter) wishes_.meter->moved(done);
    if (wishes_.interrupted()) broken_ = true;
  }
  if (done == entry.size && fault.empty() && S_ISREG(facts.st_mode) &&
      ::ftruncate(file.get(), static_cast<off_t>(entry.size)) != 0) {
    fault = errno_text();
  }
  if (broken_) {
    if (wishes_.meter) wishes_.meter->end(false);
    return complain(path + ": lost connection");
  }
  // Whether the other side is content with what it sent.
  const bool theirs = hear();
  if (wishes_.meter) wishes_.meter->end(theirs && fault.empty());
  if (wishes_.preserve) (void)::fchmod(file.get(), entry.mode & 07777);
  if (wishes_.preserve && times) (void)::futimens(file.get(), both_of(*times).data());
  if (broken_) return false;
  if (fault.empty()) return say_ok(), true;
  refuse(path + ": " + fault);
  return true;
}

}  // namespace sluice
