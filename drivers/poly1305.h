// Poly1305 (RFC 8439 section 2.5): the authenticator of chacha20-poly1305, in pieces, with a key for each message.
//
// No branch and no address depends on the key or on what is hashed.
#pragma once

#include <array>

#include "base/bytes.h"
#include "drivers/chacha20_blocks.h"

namespace sluice {

inline constexpr size_t kPolyBlockBytes = 16;
inline constexpr size_t kPolyKeyBytes = 32;

// The number so far, below 2^130 + a little, and the one that it is multiplied with; 64 bits a word.
struct PolyState {
  std::array<uint64_t, 3> h;
  std::array<uint64_t, 2> r;
};

// Powers of r for eight blocks side by side, in numbers of 44, 44 and 42 bits: made when a message first has use for
// them.
struct PolyPowers {
  // Of each limb r^8, r^7 ... r, in the order in which lanes hold blocks.
  alignas(64) std::array<std::array<uint64_t, 8>, 3> falling;
  std::array<uint64_t, 3> eighth;
  std::array<uint64_t, 3> sixteenth;
};

class Poly1305 {
 public:
  explicit Poly1305(VectorLevel level = vector_level()) : level_(level) {}
  ~Poly1305() { clear(); }

  void start(const uint8_t* key);
  void update(const uint8_t* p, size_t n);
  // Zeros up to the next whole block, as RFC 8439 has it between AAD, text and lengths.
  void pad();
  void finish(uint8_t* tag);
  // The key is gone; start() is next.
  void clear() {
    wipe(&state_, sizeof state_);
    wipe(&s_, sizeof s_);
    wipe(&powers_, sizeof powers_);
  }

 private:
  void blocks(const uint8_t* p, size_t n);

  VectorLevel level_;
  bool powers_made_ = false;
  size_t held_ = 0;
  uint64_t hashed_ = 0;
  PolyState state_{};
  std::array<uint64_t, 2> s_{};
  std::array<uint8_t, kPolyBlockBytes> block_{};
  PolyPowers powers_{};
};

// Whole blocks, one by one. high: 1 for those of a message, 0 for its padded end.
void poly1305_blocks(PolyState& state, const uint8_t* p, size_t blocks, uint64_t high);
// With IFMA, a multiple of eight blocks.
void poly1305_powers_ifma(const PolyState& state, PolyPowers& powers);
void poly1305_blocks_ifma(PolyState& state, const PolyPowers& powers, const uint8_t* p, size_t blocks);

}  // namespace sluice
