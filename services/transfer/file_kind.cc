// fstat and statfs.
#include "services/transfer/file_kind.h"

#include <linux/magic.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace sluice {
namespace {

// Of character devices: null, zero, full, random and their like, which answer at once.
constexpr unsigned kMemoryDevices = 1;

}  // namespace

bool look_at(int descriptor, struct stat& facts) { return ::syscall(SYS_fstat, descriptor, &facts) == 0; }

FileKind kind_of(int descriptor) {
  struct stat facts;
  if (!look_at(descriptor, facts)) return FileKind::disk;
  if (S_ISCHR(facts.st_mode)) return major(facts.st_rdev) == kMemoryDevices ? FileKind::memory : FileKind::stream;
  if (S_ISBLK(facts.st_mode)) return FileKind::disk;
  if (!S_ISREG(facts.st_mode)) return FileKind::stream;
  struct statfs system;
  if (::fstatfs(descriptor, &system) != 0) return FileKind::disk;
  const auto magic = static_cast<uint32_t>(system.f_type);
  const bool memory = magic == TMPFS_MAGIC || magic == RAMFS_MAGIC || magic == HUGETLBFS_MAGIC;
  return memory ? FileKind::memory : FileKind::disk;
}

}  // namespace sluice
