// ChachaPoly: AEAD_CHACHA20_POLY1305 (RFC 8439 section 2.8) of one message after the other, in pieces of any length;
// and ChachaStream and the order of cipher and hash, which others that join the two in their own way need.
#pragma once

#include <algorithm>

#include "drivers/chacha20_blocks.h"
#include "drivers/poly1305.h"

namespace sluice {

// A keystream, used up in pieces. It is made a run at a time and what is not used yet is kept, so that short messages
// and small pieces cost one pass over the vector units and not one each.
class ChachaStream {
 public:
  explicit ChachaStream(VectorLevel level = vector_level()) : runs_(chacha_runs(level)) {}
  ~ChachaStream() { clear(); }

  // key: 32 bytes, nonce: 12. The counter has 32 bits.
  void start(const uint8_t* key, uint32_t counter, const uint8_t* nonce);
  // dst may be src.
  void run(uint8_t* dst, const uint8_t* src, size_t n);
  // Key and keystream are gone; start() is next.
  void clear();

 private:
  ChachaRuns runs_;
  ChachaState state_{};
  size_t used_ = 0;  // of the keystream that there is
  alignas(64) std::array<uint8_t, kMostChachaRunBytes> keystream_{};
};

// Both in parts that stay in the cache between them: what is sealed is hashed behind the cipher, what is opened before.
void chacha_seal(ChachaStream& stream, Poly1305& poly, uint8_t* dst, const uint8_t* src, size_t n);
void chacha_open(ChachaStream& stream, Poly1305& poly, uint8_t* dst, const uint8_t* src, size_t n);

class ChachaPoly {
 public:
  explicit ChachaPoly(VectorLevel level = vector_level()) : stream_(level), poly_(level) {}

  // key: 32 bytes, nonce: 12.
  void start(const uint8_t* key, const uint8_t* nonce, Bytes aad);
  // In all at most 2^32 - 1 blocks. dst may be src.
  void seal(uint8_t* dst, const uint8_t* src, size_t n) {
    text_bytes_ += n;
    chacha_seal(stream_, poly_, dst, src, n);
  }
  void open(uint8_t* dst, const uint8_t* src, size_t n) {
    text_bytes_ += n;
    chacha_open(stream_, poly_, dst, src, n);
  }
  // The 16 bytes of the tag of what went through.
  void finish(uint8_t* tag);

 private:
  ChachaStream stream_;
  Poly1305 poly_;
  uint64_t aad_bytes_ = 0;
  uint64_t text_bytes_ = 0;
};

}  // namespace sluice
