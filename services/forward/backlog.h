// Backlog: received bytes that a descriptor has not taken yet, in pieces of memory of a size that small messages share.
#pragma once

#include <deque>
#include <span>
#include <vector>

#include "base/bytes.h"

namespace sluice {

enum class WriteState : uint8_t { all, blocked, broken };

class Backlog {
 public:
  bool empty() const { return chunks_.empty(); }
  size_t size() const { return size_; }
  void append(Bytes bytes);
  void clear();

  // Writes as much as the descriptor takes; n: how much that was.
  WriteState write_to(int descriptor, size_t& n);

 private:
  std::deque<std::vector<uint8_t>> chunks_;
  size_t first_ = 0;  // of the first chunk, written already
  size_t size_ = 0;
};

// The pieces, in order, until the descriptor takes no more; n: how much it took.
WriteState write_pieces(int descriptor, std::span<const MutableBytes> pieces, size_t& n);

}  // namespace sluice
