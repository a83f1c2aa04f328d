// A memfd mapped at two neighbouring addresses.
#include "base/mirrored_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <initializer_list>

#include "base/check.h"

namespace sluice {

MirroredMemory::MirroredMemory(size_t at_least) {
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  size_ = (at_least + page - 1) / page * page;
  const int fd = ::memfd_create("sluice-ring", MFD_CLOEXEC);
  SLUICE_CHECK(fd >= 0);
  SLUICE_CHECK(::ftruncate(fd, static_cast<off_t>(size_)) == 0);
  // Reserve both halves first: mapping them one by one could land next to a stranger.
  void* both = ::mmap(nullptr, 2 * size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  SLUICE_CHECK(both != MAP_FAILED);
  data_ = static_cast<uint8_t*>(both);
  for (uint8_t* half : {data_, data_ + size_}) {
    void* mapped = ::mmap(half, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
    SLUICE_CHECK(mapped == half);
  }
  ::close(fd);
}

MirroredMemory::~MirroredMemory() { ::munmap(data_, 2 * size_); }

void MirroredMemory::drop_pages() { ::madvise(data_, size_, MADV_REMOVE); }

}  // namespace sluice
