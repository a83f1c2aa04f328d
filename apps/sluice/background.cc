// One byte: the child lets go. No byte: it has ended.
#include "apps/sluice/background.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace sluice {

Background Background::split() {
  Background out;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return out;
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return out;
  if (child == 0) {
    out.is_child_ = true;
    out.ready_ = std::move(write_end);
    return out;
  }
  write_end.reset();
  char byte = 0;
  ssize_t n;
  do n = ::read(read_end.get(), &byte, 1);
  while (n < 0 && errno == EINTR);
  if (n == 1) return out;
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  out.child_ended_ = WIFEXITED(status) ? WEXITSTATUS(status) : 255;
  return out;
}

void Background::let_go(bool streams_too) {
  if (!is_child_ || gone_) return;
  gone_ = true;
  ::setsid();
  if (streams_too) {
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; i < 3; ++i) ::dup2(null, i);
    if (null > 2) ::close(null);
  }
  const char byte = 1;
  [[maybe_unused]] const ssize_t n = ::write(ready_.get(), &byte, 1);
  ready_.reset();
}

}  // namespace sluice
