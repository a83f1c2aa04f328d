// A pipe takes PIPE_BUF octets whole or not at all.
#include "apps/sluiced/log_stream.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <string>

namespace sluice {
namespace {

// Who logged in when is not everybody's business.
constexpr mode_t kFileMode = 0640;

std::atomic<LineForm> line_form{LineForm::plain};

}  // namespace

void set_line_form(LineForm form) { line_form.store(form, std::memory_order_relaxed); }

// As in "RP/0/RP0/CPU0:Aug 24 13:10:15.933 UTC: SSHD_[66632]: " and "Aug 24 13:10:15.933: ".
std::string line_head(LineForm form, std::chrono::system_clock::time_point when) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(when);
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  std::array<char, 64> text{};
  std::strftime(text.data(), text.size(), "%b %e %H:%M:%S", &parts);
  if (form == LineForm::plain) return std::string(text.data()).append(" ");
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(when.time_since_epoch()).count() % 1000;
  std::array<char, 8> fraction{};
  std::snprintf(fraction.data(), fraction.size(), ".%03d", static_cast<int>(ms));
  std::string head = std::string(text.data()).append(fraction.data());
  if (form == LineForm::ios) return head.append(": ");
  std::strftime(text.data(), text.size(), " %Z: SSHD_[", &parts);
  return "RP/0/RP0/CPU0:" + head.append(text.data()).append(std::to_string(::getpid())).append("]: ");
}

UniqueFd open_log_file(const char* path) {
  return UniqueFd(::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, kFileMode));
}

void LogStream::share(int descriptor) {
  if (descriptor_) return;
  // Opened again, it has flags of its own. What cannot be opened so is a file, or a socket.
  const std::string path = "/proc/self/fd/" + std::to_string(descriptor);
  struct stat facts {};
  const bool known = ::fstat(descriptor, &facts) == 0;
  const bool waits = known && (S_ISFIFO(facts.st_mode) || (S_ISCHR(facts.st_mode) && ::isatty(descriptor) == 1));
  if (waits) descriptor_ = UniqueFd(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  may_wait_ = waits && !descriptor_;
  if (!descriptor_) descriptor_ = UniqueFd(::fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  look();
}

void LogStream::take(UniqueFd descriptor) {
  if (!descriptor) return;
  if (descriptor_)
    ::dup3(descriptor.get(), descriptor_.get(), O_CLOEXEC);
  else
    descriptor_ = std::move(descriptor);
  look();
}

void LogStream::look() {
  struct stat facts {};
  if (::fstat(descriptor_.get(), &facts) != 0) return;
  kind_ = S_ISFIFO(facts.st_mode) ? Kind::pipe : S_ISSOCK(facts.st_mode) ? Kind::socket : Kind::file;
}

bool LogStream::put(std::string_view line) {
  pollfd room{descriptor_.get(), POLLOUT, 0};
  if (may_wait_ && (::poll(&room, 1, 0) != 1 || (room.revents & POLLOUT) == 0)) return false;
  while (!line.empty()) {
    const ssize_t n = kind_ == Kind::socket
                          ? ::send(descriptor_.get(), line.data(), line.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
                          : ::write(descriptor_.get(), line.data(), line.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    line.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

std::string LogStream::stamped(std::string_view text) const {
  const LineForm form = around_ == Around::time ? LineForm::plain : line_form.load(std::memory_order_relaxed);
  return line_head(form, std::chrono::system_clock::now()).append(text);
}

void LogStream::write_line(std::string_view text) {
  if (!descriptor_) return;
  if (const uint64_t lost = lost_.exchange(0); lost > 0) {
    if (!put(stamped(std::to_string(lost) + " lines were lost: nobody read them\n"))) lost_ += lost;
  }
  std::string line = stamped(text);
  if (kind_ == Kind::pipe && line.size() >= PIPE_BUF) line.resize(PIPE_BUF - 1);
  line.push_back('\n');
  if (!put(line)) ++lost_;
}

}  // namespace sluice
