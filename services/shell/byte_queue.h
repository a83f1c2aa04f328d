// ByteQueue: bytes that their reader did not take yet, in blocks that are freed as he does.
//
// Whoever fills it bounds it: a channel's data is kept here as long as it was not consumed(), so by the window.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <deque>
#include <span>
#include <vector>

#include "base/bytes.h"

namespace sluice {

class ByteQueue {
 public:
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  void append(Bytes bytes);
  // The oldest bytes, for one gathering write. Returns how many pieces there are.
  size_t front(std::span<iovec> out) const;
  void drop(size_t n);
  // Returns how many bytes there were.
  size_t clear();

 private:
  std::deque<std::vector<uint8_t>> blocks_;
  size_t first_ = 0;  // dropped bytes of the first block
  size_t size_ = 0;
};

}  // namespace sluice
