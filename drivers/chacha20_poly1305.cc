// What is sealed is hashed while it is still in the cache that the cipher wrote it to, and the other way round.
#include "drivers/chacha20_poly1305.h"

#include <algorithm>

#include "drivers/chacha20_rounds.h"

namespace sluice {
namespace {

// A part of the smallest first-level caches.
constexpr size_t kPiece = 4096;

void advance(ChachaState& state, size_t bytes) {
  state[kChachaCounterWord] += static_cast<uint32_t>(bytes / kChachaBlockBytes);
}

void xor_bytes(uint8_t* dst, const uint8_t* src, const uint8_t* keystream, size_t n) {
  using Vector = WordVector<4>::Type;
  for (; n >= sizeof(Vector); n -= sizeof(Vector)) {
    Vector text, mask;
    std::memcpy(&text, src, sizeof text);
    std::memcpy(&mask, keystream, sizeof mask);
    text ^= mask;
    std::memcpy(dst, &text, sizeof text);
    dst += sizeof text;
    src += sizeof text;
    keystream += sizeof text;
  }
  for (size_t i = 0; i < n; ++i) dst[i] = static_cast<uint8_t>(src[i] ^ keystream[i]);
}

}  // namespace

ChachaPoly::~ChachaPoly() {
  wipe(state_.data(), sizeof state_);
  wipe(keystream_.data(), keystream_.size());
}

void ChachaPoly::refill() {
  static constexpr std::array<uint8_t, kMostChachaRunBytes> kZeros{};
  runs_.one.function(state_, keystream_.data(), kZeros.data());
  advance(state_, runs_.one.bytes);
  used_ = 0;
}

void ChachaPoly::start(const uint8_t* key, const uint8_t* nonce, Bytes aad) {
  state_ = chacha_state(key, 0, nonce);
  refill();
  // Block 0 is Poly1305's: 32 bytes of it, and the rest is nobody's.
  poly_.start(keystream_.data());
  used_ = kChachaBlockBytes;
  poly_.update(aad.data(), aad.size());
  poly_.pad();
  aad_bytes_ = aad.size();
  text_bytes_ = 0;
}

// 1. what is left of the keystream  2. whole runs, straight into their place  3. the rest, of a new run
void ChachaPoly::cipher(uint8_t* dst, const uint8_t* src, size_t n) {
  const size_t kept = std::min(n, runs_.one.bytes - used_);
  xor_bytes(dst, src, keystream_.data() + used_, kept);
  used_ += kept;
  dst += kept;
  src += kept;
  n -= kept;
  for (const ChachaRun& run : {runs_.many, runs_.one}) {
    for (; n >= run.bytes; n -= run.bytes) {
      run.function(state_, dst, src);
      advance(state_, run.bytes);
      dst += run.bytes;
      src += run.bytes;
    }
  }
  if (n == 0) return;
  refill();
  xor_bytes(dst, src, keystream_.data(), n);
  used_ = n;
}

void ChachaPoly::seal(uint8_t* dst, const uint8_t* src, size_t n) {
  text_bytes_ += n;
  for (size_t done = 0; done < n;) {
    const size_t now = std::min(n - done, kPiece);
    cipher(dst + done, src + done, now);
    poly_.update(dst + done, now);
    done += now;
  }
}

void ChachaPoly::open(uint8_t* dst, const uint8_t* src, size_t n) {
  text_bytes_ += n;
  for (size_t done = 0; done < n;) {
    const size_t now = std::min(n - done, kPiece);
    poly_.update(src + done, now);
    cipher(dst + done, src + done, now);
    done += now;
  }
}

void ChachaPoly::finish(uint8_t* tag) {
  poly_.pad();
  std::array<uint64_t, 2> lengths{aad_bytes_, text_bytes_};
  poly_.update(reinterpret_cast<const uint8_t*>(lengths.data()), sizeof lengths);
  poly_.finish(tag);
}

}  // namespace sluice
