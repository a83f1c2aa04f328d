// A memfd that is mapped twice, and mapped again when it has grown.
#include "dataplane/netstack/growing_mirror.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

namespace sluice {

GrowingMirror::GrowingMirror(size_t size, size_t most) : page_(static_cast<size_t>(::sysconf(_SC_PAGESIZE))) {
  size = (size + page_ - 1) / page_ * page_;
  most_ = std::max(most, size);
  file_ = ::memfd_create("sluice-window", MFD_CLOEXEC);
  if (file_ < 0) return;
  void* all = ::mmap(nullptr, page_ + 2 * most_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (all == MAP_FAILED) return;
  data_ = static_cast<uint8_t*>(all) + page_;
  if (::ftruncate(file_, static_cast<off_t>(size)) == 0 && map(size)) size_ = size;
}

GrowingMirror::~GrowingMirror() {
  if (data_ != nullptr) ::munmap(data_ - page_, page_ + 2 * most_);
  if (file_ >= 0) ::close(file_);
}

bool GrowingMirror::map(size_t size) {
  const auto place = [this](uint8_t* at, size_t bytes, size_t from) {
    return ::mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file_, static_cast<off_t>(from)) == at;
  };
  return place(data_ - page_, page_, size - page_) && place(data_, size, 0) && place(data_ + size, size, 0);
}

bool GrowingMirror::grow(size_t size) {
  if (size_ == 0 || size > most_ || size <= size_ || size % size_ != 0) return false;
  if (::ftruncate(file_, static_cast<off_t>(size)) != 0) return false;
  if (!map(size)) {
    // Half of it may be mapped: nobody can tell what the mirror shows.
    size_ = 0;
    return false;
  }
  size_ = size;
  return true;
}

void GrowingMirror::drop_pages() { ::madvise(data_, size_, MADV_REMOVE); }

}  // namespace sluice
