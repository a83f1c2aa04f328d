// Finished ops of a driver that works inside submit(), waiting to be polled.
#pragma once

#include <algorithm>
#include <array>
#include <span>

#include "crypto_offload/crypto_op.h"

namespace sluice {

// One burst of work between polls. Bounds how much plaintext and ciphertext is hot at once.
inline constexpr size_t kDriverDepth = 256;

class DoneQueue {
 public:
  size_t room() const { return kDriverDepth - count_; }
  size_t size() const { return count_; }
  void push(CryptoOp& op) { ops_[(head_ + count_++) % kDriverDepth] = &op; }
  size_t pop(std::span<CryptoOp*> out) {
    const size_t n = std::min(out.size(), count_);
    for (size_t i = 0; i < n; ++i) out[i] = ops_[(head_ + i) % kDriverDepth];
    head_ = (head_ + n) % kDriverDepth;
    count_ -= n;
    return n;
  }

 private:
  std::array<CryptoOp*, kDriverDepth> ops_{};
  size_t head_ = 0;
  size_t count_ = 0;
};

}  // namespace sluice
