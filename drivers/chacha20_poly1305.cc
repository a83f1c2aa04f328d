// Lengths are public and steer; texts and keys are only added, rotated and multiplied.
#include "drivers/chacha20_poly1305.h"

#include "drivers/chacha20_rounds.h"

namespace sluice {
namespace {

// Below the smallest first-level caches, and long runs are whole in it.
constexpr size_t kPart = 4096;

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

void ChachaStream::clear() {
  wipe(state_.data(), sizeof state_);
  wipe(keystream_.data(), keystream_.size());
}

void ChachaStream::start(const uint8_t* key, uint32_t counter, const uint8_t* nonce) {
  state_ = chacha_state(key, counter, nonce);
  used_ = runs_.one.bytes;
}

// 1. what is left of the keystream  2. whole runs, straight into their place  3. the rest, of a new run
void ChachaStream::run(uint8_t* dst, const uint8_t* src, size_t n) {
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
  static constexpr std::array<uint8_t, kMostChachaRunBytes> kZeros{};
  runs_.one.function(state_, keystream_.data(), kZeros.data());
  advance(state_, runs_.one.bytes);
  xor_bytes(dst, src, keystream_.data(), n);
  used_ = n;
}

void chacha_seal(ChachaStream& stream, Poly1305& poly, uint8_t* dst, const uint8_t* src, size_t n) {
  for (size_t done = 0; done < n;) {
    const size_t now = std::min(n - done, kPart);
    stream.run(dst + done, src + done, now);
    poly.update(dst + done, now);
    done += now;
  }
}

void chacha_open(ChachaStream& stream, Poly1305& poly, uint8_t* dst, const uint8_t* src, size_t n) {
  for (size_t done = 0; done < n;) {
    const size_t now = std::min(n - done, kPart);
    poly.update(src + done, now);
    stream.run(dst + done, src + done, now);
    done += now;
  }
}

// Block 0 is Poly1305's: 32 bytes of it, and the rest is nobody's.
void ChachaPoly::start(const uint8_t* key, const uint8_t* nonce, Bytes aad) {
  std::array<uint8_t, kChachaBlockBytes> first{};
  stream_.start(key, 0, nonce);
  stream_.run(first.data(), first.data(), first.size());
  poly_.start(first.data());
  wipe(first.data(), first.size());
  poly_.update(aad.data(), aad.size());
  poly_.pad();
  aad_bytes_ = aad.size();
  text_bytes_ = 0;
}

void ChachaPoly::finish(uint8_t* tag) {
  poly_.pad();
  const std::array<uint64_t, 2> lengths{aad_bytes_, text_bytes_};
  poly_.update(reinterpret_cast<const uint8_t*>(lengths.data()), sizeof lengths);
  poly_.finish(tag);
}

}  // namespace sluice
