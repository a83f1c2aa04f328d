// What statx says without asking, and seals, which only files in memory have.
#include "services/transfer/file_kind.h"

#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/file_nature.h"

namespace sluice {
namespace {

// Of character devices: null, zero, full, random and their like, which answer at once.
constexpr unsigned kMemoryDevices = 1;

}  // namespace

bool look_at(int descriptor, struct stat& facts) { return ::syscall(SYS_fstat, descriptor, &facts) == 0; }

FileKind kind_of(int descriptor) {
  // Of tmpfs and hugetlbfs: nothing else has seals. fstatfs() would ask a file system's server.
  if (::fcntl(descriptor, F_GET_SEALS) >= 0) return FileKind::memory;
  struct statx facts;
  if (!nature_of(descriptor, facts) || S_ISREG(facts.stx_mode) || S_ISBLK(facts.stx_mode)) return FileKind::disk;
  if (S_ISCHR(facts.stx_mode) && facts.stx_rdev_major == kMemoryDevices) return FileKind::memory;
  // A worker reads and writes it: never one that makes it wait.
  const int flags = ::fcntl(descriptor, F_GETFL);
  const bool open = flags >= 0 && ((flags & O_NONBLOCK) != 0 || ::fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) == 0);
  return open ? FileKind::stream : FileKind::disk;
}

}  // namespace sluice
