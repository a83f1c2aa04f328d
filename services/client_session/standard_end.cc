// /proc/self/fd where it helps, flags where it does not.
#include "services/client_session/standard_end.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <atomic>
#include <string>

namespace sluice {
namespace {

// The three standard streams and what a mux client hands over: only the former are put back.
std::array<std::atomic<int>, 3> g_flags{-1, -1, -1};

}  // namespace

StandardEnd open_standard_end(int descriptor, bool for_writing) {
  StandardEnd end;
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) {
    end.descriptor = UniqueFd(::open("/dev/null", (for_writing ? O_WRONLY : O_RDONLY) | O_CLOEXEC));
    return end;
  }
  const bool waits = S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode) || S_ISCHR(status.st_mode);
  if (S_ISFIFO(status.st_mode) || (S_ISCHR(status.st_mode) && ::isatty(descriptor) != 0)) {
    const std::string path = std::string("/proc/self/fd/").append(std::to_string(descriptor));
    const int again = ::open(path.c_str(), (for_writing ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (again >= 0) {
      end.descriptor = UniqueFd(again);
      return end;
    }
  }
  end.descriptor = UniqueFd(::fcntl(descriptor, F_DUPFD_CLOEXEC, 3));
  const int flags = ::fcntl(descriptor, F_GETFL);
  if (waits && flags >= 0 && (flags & O_NONBLOCK) == 0) {
    ::fcntl(descriptor, F_SETFL, flags | O_NONBLOCK);
    end.flags_changed = true;
    if (descriptor < 3) g_flags[static_cast<size_t>(descriptor)].store(flags);
  }
  return end;
}

void restore_standard_flags() {
  for (int i = 0; i < 3; ++i) {
    const int flags = g_flags[static_cast<size_t>(i)].exchange(-1);
    if (flags >= 0) ::fcntl(i, F_SETFL, flags);
  }
}

}  // namespace sluice
