// A memfd mapped at neighbouring addresses.
#include "base/mirrored_memory.h"

#include <sys/mman.h>
#include <unistd.h>

namespace sluice {

MirroredMemory::MirroredMemory(size_t at_least) : page_(static_cast<size_t>(::sysconf(_SC_PAGESIZE))) {
  const size_t size = (at_least + page_ - 1) / page_ * page_;
  const int fd = ::memfd_create("sluice-ring", MFD_CLOEXEC);
  if (fd < 0) return;
  // Reserve the whole range first: mapping the parts one by one could land next to a stranger.
  void* all = ::mmap(nullptr, page_ + 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (all != MAP_FAILED && ::ftruncate(fd, static_cast<off_t>(size)) == 0) {
    uint8_t* data = static_cast<uint8_t*>(all) + page_;
    if (map(data - page_, page_, fd, size - page_) && map(data, size, fd, 0) && map(data + size, size, fd, 0)) {
      data_ = data;
      size_ = size;
    }
  }
  ::close(fd);
  if (size_ == 0 && all != MAP_FAILED) ::munmap(all, page_ + 2 * size);
}

bool MirroredMemory::map(uint8_t* at, size_t size, int fd, size_t from) {
  return ::mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, static_cast<off_t>(from)) == at;
}

MirroredMemory::~MirroredMemory() {
  if (size_ > 0) ::munmap(data_ - page_, page_ + 2 * size_);
}

void MirroredMemory::drop_pages() { ::madvise(data_, size_, MADV_REMOVE); }

}  // namespace sluice
