// A session's records of one direction in the order of the wire, from framing until they are committed.
//
// Records enter before crypto, crypto completes them in any order, they leave from the head. Slots never move, so a
// driver may hold a pointer to the op inside. Positions grow without wrapping.
#pragma once

#include <array>
#include <cstddef>
#include <memory>

namespace sluice {

template <class Slot, size_t kCapacity>
class OrderRing {
  static_assert((kCapacity & (kCapacity - 1)) == 0, "a power of two, so that wrapping is a mask");

 public:
  bool empty() const { return head_ == tail_; }
  bool full() const { return tail_ - head_ == kCapacity; }
  size_t size() const { return tail_ - head_; }
  size_t head() const { return head_; }
  size_t tail() const { return tail_; }

  Slot& at(size_t position) { return (*slots_)[position & (kCapacity - 1)]; }
  // The slot that push() takes next, to be filled before.
  Slot& spare() {
    if (!slots_) slots_ = std::make_unique<std::array<Slot, kCapacity>>();
    return at(tail_);
  }
  Slot& push() {
    Slot& slot = spare();
    ++tail_;
    return slot;
  }
  void pop() { ++head_; }
  // An idle session's; made again at its next record.
  void give_memory_back() {
    if (empty()) slots_.reset();
  }

 private:
  std::unique_ptr<std::array<Slot, kCapacity>> slots_;
  size_t head_ = 0;
  size_t tail_ = 0;
};

}  // namespace sluice
