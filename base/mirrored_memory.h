// One piece of memory mapped twice in a row, so that a ring buffer's contents are contiguous wherever they start.
//
// Invariant: data()[i] and data()[i + size()] are the same byte for every i < size(), and the page before data() is
// the last one of the ring. The kernel's page tables do the wrapping; no record is ever copied because it straddles
// the end of a buffer, and the bytes before a record can always be touched.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice {

class MirroredMemory {
 public:
  // The size is rounded up to whole pages; 0 where the kernel has no descriptors, mappings or memory left.
  explicit MirroredMemory(size_t at_least);
  ~MirroredMemory();
  MirroredMemory(const MirroredMemory&) = delete;
  MirroredMemory& operator=(const MirroredMemory&) = delete;

  uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  // Gives the pages back to the kernel; contents become zeros. For idle sessions.
  void drop_pages();

 private:
  static bool map(uint8_t* at, size_t size, int fd, size_t from);

  uint8_t* data_ = nullptr;
  size_t size_ = 0;
  size_t page_ = 0;
};

}  // namespace sluice
