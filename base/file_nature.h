// What a descriptor is of, without a word to whoever serves its file system: that may be a user's own program, which
// need not answer.
//
// statx() with what is known already (AT_STATX_DONT_SYNC) and no path. A filter of system calls can let it pass for
// nothing else: it knows the path's place and the flags.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

namespace sluice {

inline constexpr char kNoPath[] = "";
inline constexpr int kNatureFlags = AT_EMPTY_PATH | AT_STATX_DONT_SYNC;

// False: not even that is said.
inline bool nature_of(int descriptor, struct statx& facts) {
  return ::statx(descriptor, kNoPath, kNatureFlags, STATX_TYPE, &facts) == 0;
}

// A regular file that is on no block device of this machine and not in its memory: of a network, of a program (FUSE),
// of an overlay. Reading, writing, asking about and closing it may take as long as somebody else likes.
inline bool is_far_file(int descriptor) {
  // Only files in memory have seals.
  if (::fcntl(descriptor, F_GET_SEALS) >= 0) return false;
  struct statx facts;
  if (!nature_of(descriptor, facts)) return true;
  return S_ISREG(facts.stx_mode) && facts.stx_dev_major == 0;
}

}  // namespace sluice
