// One piece of memory mapped twice in a row, so that a ring buffer's contents are contiguous wherever they start.
//
// Invariant: data()[i] and data()[i + size()] are the same byte for every i < size(), and the page before data() is
// the last one of the ring. The kernel's page tables do the wrapping; no record is ever copied because it straddles
// the end of a buffer, and the bytes before a record can always be touched.
// Mappings of the usual size are kept when they are dropped, a bounded number of them, and given out again: making one
// costs more than all else that a login asks of the kernel. Their bytes are zeros again by then.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice {

class MirroredMemory {
 public:
  // The size of the mappings that are kept: what a connection's rings have.
  static constexpr size_t kUsualSize = size_t{1} << 20;

  // The size is rounded up to whole pages; 0 where the kernel has no descriptors, mappings or memory left.
  explicit MirroredMemory(size_t at_least);
  ~MirroredMemory();
  MirroredMemory(const MirroredMemory&) = delete;
  MirroredMemory& operator=(const MirroredMemory&) = delete;

  uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  // Gives the pages back to the kernel; contents become zeros. For idle sessions.
  void drop_pages();
  // No byte behind the first n was ever written, but the last few of a page: then wiping them is enough at the end.
  void only_used(size_t n) { used_ = n; }

  // Mappings that are kept give their pages back: once a second from a thread that has nothing better to do.
  static void trim_kept();

 private:
  static uint8_t* make(size_t size, size_t page);

  uint8_t* data_ = nullptr;
  size_t size_ = 0;
  size_t page_ = 0;
  size_t used_ = SIZE_MAX;
};

}  // namespace sluice
