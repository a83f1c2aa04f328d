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
#include <ctime>
#include <string>

namespace sluice {
namespace {

// Who logged in when is not everybody's business.
constexpr mode_t kFileMode = 0640;

std::string stamped(std::string_view text) {
  std::array<char, 32> when{};
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::localtime_r(&now, &parts);
  std::strftime(when.data(), when.size(), "%b %e %H:%M:%S ", &parts);
  return std::string(when.data()).append(text);
}

}  // namespace

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
