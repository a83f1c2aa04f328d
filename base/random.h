// Random bytes: from the kernel where secrecy counts, from a cheap generator where the bytes only have to vary.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace sluice {

void fill_random(MutableBytes out);

// xorshift64*: padding bytes and test schedules. Predictable; never for keys, cookies or nonces.
class CheapRandom {
 public:
  explicit CheapRandom(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u | 1u) {}

  uint64_t next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545f4914f6cdd1du;
  }
  // Uniform enough for schedules: the modulo's bias is below 2^-32.
  uint64_t below(uint64_t bound) { return bound == 0 ? 0 : (next() >> 16) % bound; }
  void fill(MutableBytes out);

 private:
  uint64_t state_;
};

}  // namespace sluice
