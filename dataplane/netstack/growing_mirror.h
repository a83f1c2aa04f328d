// Mirrored memory (base/mirrored_memory.h) that can be doubled where it stands: bytes below the old size stay where
// they are, at the same addresses; what the mirror showed moves.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace sluice {

class GrowingMirror {
 public:
  // Address space for `most` is reserved at once, memory comes with use. Size 0 where the kernel has none left.
  GrowingMirror(size_t size, size_t most);
  ~GrowingMirror();
  GrowingMirror(const GrowingMirror&) = delete;
  GrowingMirror& operator=(const GrowingMirror&) = delete;

  uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  size_t most() const { return most_; }
  // To a whole multiple of the size, at most most(). False: all is as it was, unless the size is 0 now, which is when
  // the kernel takes a mapping away and gives none back.
  bool grow(size_t size);
  void drop_pages();

 private:
  // What a size's mirror is made of. A part's place is taken by the file from `from` on.
  struct Part {
    uint8_t* at;
    size_t bytes;
    size_t from;
  };
  std::array<Part, 3> parts(size_t size) const;
  bool place(const Part& part);
  bool map(size_t size);

  uint8_t* data_ = nullptr;
  size_t size_ = 0;
  size_t most_ = 0;
  size_t page_ = 0;
  int file_ = -1;
};

}  // namespace sluice
