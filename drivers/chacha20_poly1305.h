// ChachaPoly: AEAD_CHACHA20_POLY1305 (RFC 8439 section 2.8) of one message after the other, in pieces of any length.
//
// Keystream is made sixteen blocks at a time and what is not used yet is kept, so that short messages and small pieces
// cost one pass over the vector units and not one each.
#pragma once

#include "drivers/chacha20_blocks.h"
#include "drivers/poly1305.h"

namespace sluice {

class ChachaPoly {
 public:
  explicit ChachaPoly(VectorLevel level = vector_level()) : runs_(chacha_runs(level)), poly_(level) {}
  ~ChachaPoly();

  // key: 32 bytes, nonce: 12.
  void start(const uint8_t* key, const uint8_t* nonce, Bytes aad);
  // In all at most 2^32 - 1 blocks. dst may be src.
  void seal(uint8_t* dst, const uint8_t* src, size_t n);
  void open(uint8_t* dst, const uint8_t* src, size_t n);
  // The 16 bytes of the tag of what went through.
  void finish(uint8_t* tag);

 private:
  void cipher(uint8_t* dst, const uint8_t* src, size_t n);
  void refill();

  ChachaRuns runs_;
  ChachaState state_{};
  Poly1305 poly_;
  uint64_t aad_bytes_ = 0;
  uint64_t text_bytes_ = 0;
  size_t used_ = 0;  // of the keystream that there is
  alignas(64) std::array<uint8_t, kMostChachaRunBytes> keystream_{};
};

}  // namespace sluice
