// Frames that the layer below still reads from a send ring, in the order in which they leave.
//
// An acknowledgment frees only what has left: who acknowledges what he cannot have seen would otherwise be sent what is
// written over it, and that is plaintext for a moment.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "dataplane/netstack/sequence.h"

namespace sluice {

class LeavingFrames {
 public:
  // More than any queue below holds; beyond, frames are copied.
  static constexpr size_t kMost = 4096;

  bool empty() const { return first_ == end_; }
  bool full() const { return end_ - first_ == kMost; }
  void push(uint32_t sequence) {
    if (end_ - first_ == capacity_) grow();
    sequences_[end_++ & (capacity_ - 1)] = sequence;
  }
  void pop() { ++first_; }
  // The newest was not taken after all.
  void unpush() { --end_; }
  // Of what ends at `end`, as much as nobody reads any more.
  uint32_t free_to(uint32_t end) const {
    return empty() ? end : seq_earlier(end, sequences_[first_ & (capacity_ - 1)]);
  }

 private:
  void grow() {
    const size_t capacity = capacity_ == 0 ? 32 : capacity_ * 2;
    auto sequences = std::make_unique<uint32_t[]>(capacity);
    for (size_t i = first_; i != end_; ++i) sequences[i & (capacity - 1)] = sequences_[i & (capacity_ - 1)];
    sequences_ = std::move(sequences);
    capacity_ = capacity;
  }

  std::unique_ptr<uint32_t[]> sequences_;
  size_t capacity_ = 0;
  size_t first_ = 0;
  size_t end_ = 0;
};

}  // namespace sluice
