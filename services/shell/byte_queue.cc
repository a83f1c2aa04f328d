// Blocks large enough that small pieces do not cost an allocation each.
#include "services/shell/byte_queue.h"

#include <algorithm>
#include <utility>

namespace sluice {
namespace {

constexpr size_t kBlock = 64 * 1024;

}  // namespace

void ByteQueue::append(Bytes bytes) {
  size_ += bytes.size();
  while (!bytes.empty()) {
    if (blocks_.empty() || blocks_.back().size() == kBlock) blocks_.emplace_back();
    std::vector<uint8_t>& block = blocks_.back();
    const size_t n = std::min(bytes.size(), kBlock - block.size());
    block.insert(block.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n));
    bytes = bytes.subspan(n);
  }
}

size_t ByteQueue::front(std::span<iovec> out) const {
  size_t count = 0;
  for (const auto& block : blocks_) {
    if (count == out.size()) break;
    const size_t skipped = count == 0 ? first_ : 0;
    // writev() reads only.
    out[count++] = {const_cast<uint8_t*>(block.data()) + skipped, block.size() - skipped};
  }
  return count;
}

void ByteQueue::drop(size_t n) {
  size_ -= n;
  n += first_;
  while (!blocks_.empty() && n >= blocks_.front().size()) {
    n -= blocks_.front().size();
    blocks_.pop_front();
  }
  first_ = n;
}

size_t ByteQueue::clear() {
  blocks_.clear();
  first_ = 0;
  return std::exchange(size_, 0);
}

}  // namespace sluice
