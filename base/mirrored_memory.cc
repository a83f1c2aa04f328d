// A memfd mapped at neighbouring addresses.
#include "base/mirrored_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"

namespace sluice {

MirroredMemory::MirroredMemory(size_t at_least) : page_(static_cast<size_t>(::sysconf(_SC_PAGESIZE))) {
  size_ = (at_least + page_ - 1) / page_ * page_;
  const int fd = ::memfd_create("sluice-ring", MFD_CLOEXEC);
  SLUICE_CHECK(fd >= 0);
  SLUICE_CHECK(::ftruncate(fd, static_cast<off_t>(size_)) == 0);
  // Reserve the whole range first: mapping the parts one by one could land next to a stranger.
  void* all = ::mmap(nullptr, page_ + 2 * size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  SLUICE_CHECK(all != MAP_FAILED);
  data_ = static_cast<uint8_t*>(all) + page_;
  map(data_ - page_, page_, fd, size_ - page_);
  map(data_, size_, fd, 0);
  map(data_ + size_, size_, fd, 0);
  ::close(fd);
}

void MirroredMemory::map(uint8_t* at, size_t size, int fd, size_t from) {
  void* mapped = ::mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, static_cast<off_t>(from));
  SLUICE_CHECK(mapped == at);
}

MirroredMemory::~MirroredMemory() { ::munmap(data_ - page_, page_ + 2 * size_); }

void MirroredMemory::drop_pages() { ::madvise(data_, size_, MADV_REMOVE); }

}  // namespace sluice
