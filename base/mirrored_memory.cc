// A memfd mapped at neighbouring addresses, and the mappings that wait for their next owner.
#include "base/mirrored_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>

#include "base/bytes.h"

namespace sluice {
namespace {

// Of 32 connections. More would only serve a burst that the kernel can serve as well.
constexpr size_t kMostKept = 64;
// A login's worth; what used more gives its pages back at once.
constexpr size_t kMostWiped = size_t{32} << 10;

bool map(uint8_t* at, size_t size, int fd, size_t from) {
  return ::mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, static_cast<off_t>(from)) == at;
}

bool drop(uint8_t* data, size_t size) { return ::madvise(data, size, MADV_REMOVE) == 0; }

// Workers and control take and give without a lock: a place is empty or has a mapping, and whoever exchanges it has it.
class Kept {
 public:
  uint8_t* take() {
    for (auto& place : places_) {
      if (place.load(std::memory_order_relaxed) == 0) continue;
      const uintptr_t found = place.exchange(0, std::memory_order_acquire);
      if (found != 0) return pointer(found);
    }
    return nullptr;
  }
  bool give(uint8_t* data, bool has_pages) {
    for (auto& place : places_) {
      uintptr_t empty = 0;
      const uintptr_t value = reinterpret_cast<uintptr_t>(data) | (has_pages ? kHasPages : 0);
      if (place.load(std::memory_order_relaxed) == 0 &&
          place.compare_exchange_strong(empty, value, std::memory_order_release, std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }
  void trim() {
    for (auto& place : places_) {
      if ((place.load(std::memory_order_relaxed) & kHasPages) == 0) continue;
      const uintptr_t found = place.exchange(0, std::memory_order_acquire);
      if (found == 0) continue;
      // Its place may be taken by now.
      const bool dropped = drop(pointer(found), MirroredMemory::kUsualSize);
      if (!give(pointer(found), !dropped)) unmap(pointer(found));
    }
  }
  static void unmap(uint8_t* data) {
    const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
    ::munmap(data - page, page + 2 * MirroredMemory::kUsualSize);
  }

 private:
  static constexpr uintptr_t kHasPages = 1;
  static uint8_t* pointer(uintptr_t value) { return reinterpret_cast<uint8_t*>(value & ~kHasPages); }
  std::array<std::atomic<uintptr_t>, kMostKept> places_{};
};

Kept kept;

}  // namespace

MirroredMemory::MirroredMemory(size_t at_least) : page_(static_cast<size_t>(::sysconf(_SC_PAGESIZE))) {
  const size_t size = (at_least + page_ - 1) / page_ * page_;
  if (size == kUsualSize) data_ = kept.take();
  if (data_ == nullptr) data_ = make(size, page_);
  if (data_ != nullptr) size_ = size;
}

uint8_t* MirroredMemory::make(size_t size, size_t page) {
  const int fd = ::memfd_create("sluice-ring", MFD_CLOEXEC);
  if (fd < 0) return nullptr;
  uint8_t* made = nullptr;
  // Reserve the whole range first: mapping the parts one by one could land next to a stranger.
  void* all = ::mmap(nullptr, page + 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (all != MAP_FAILED && ::ftruncate(fd, static_cast<off_t>(size)) == 0) {
    uint8_t* data = static_cast<uint8_t*>(all) + page;
    if (map(data - page, page, fd, size - page) && map(data, size, fd, 0) && map(data + size, size, fd, 0)) made = data;
  }
  ::close(fd);
  if (made == nullptr && all != MAP_FAILED) ::munmap(all, page + 2 * size);
  return made;
}

MirroredMemory::~MirroredMemory() {
  if (size_ == 0) return;
  if (size_ == kUsualSize) {
    const bool few = used_ <= kMostWiped;
    if (few) wipe(data_, used_);
    // What may still hold another connection's bytes is given to nobody.
    if ((few || drop(data_, size_)) && kept.give(data_, few && used_ > 0)) return;
  }
  ::munmap(data_ - page_, page_ + 2 * size_);
}

void MirroredMemory::drop_pages() { drop(data_, size_); }

void MirroredMemory::trim_kept() { kept.trim(); }

}  // namespace sluice
