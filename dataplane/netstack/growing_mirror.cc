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

std::array<GrowingMirror::Part, 3> GrowingMirror::parts(size_t size) const {
  // The farthest first: nothing of a smaller mirror is there.
  return {{{data_ + size, size, 0}, {data_, size, 0}, {data_ - page_, page_, size - page_}}};
}

bool GrowingMirror::place(const Part& part) {
  return ::mmap(part.at, part.bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file_,
                static_cast<off_t>(part.from)) == part.at;
}

bool GrowingMirror::map(size_t size) {
  for (const Part& part : parts(size)) {
    if (!place(part)) return false;
  }
  return true;
}

bool GrowingMirror::grow(size_t size) {
  if (size_ == 0 || size > most_ || size <= size_ || size % size_ != 0) return false;
  if (::ftruncate(file_, static_cast<off_t>(size)) != 0) return false;
  size_t placed = 0;
  for (const Part& part : parts(size)) {
    if (!place(part)) break;
    ++placed;
  }
  if (placed == parts(size).size()) {
    size_ = size;
    return true;
  }
  // The first part hides nothing of the old mirror, and the second shows the old bytes where they were: what it hides
  // is the old mirror's second half.
  if (placed >= 2 && !place(parts(size_)[0])) size_ = 0;
  return false;
}

void GrowingMirror::drop_pages() { ::madvise(data_, size_, MADV_REMOVE); }

}  // namespace sluice
