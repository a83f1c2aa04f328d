// What file systems (NFS, quotas) say no earlier than when a file is closed: that what was written to it is lost.
#pragma once

#include <fcntl.h>
#include <unistd.h>

namespace sluice {

// Closes the file once more than it is open, so that it stays open. False: errno says why.
inline bool closes_well(int descriptor) {
  const int again = ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  return again >= 0 && ::close(again) == 0;
}

}  // namespace sluice
