// Up to eight blocks at once, one round of all before the next: that many an AES unit has under way.
#include "drivers/engine/aes_blocks.h"

#include <immintrin.h>

#include "drivers/engine/imb_functions.h"

// Only after imb_functions() said that the CPU has them.
#define SLUICE_AES __attribute__((target("aes,sse4.1")))

namespace sluice {
namespace {

SLUICE_AES inline __m128i load(const uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
SLUICE_AES inline void store(uint8_t* p, __m128i v) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), v); }

template <unsigned kRounds, size_t kBlocks>
SLUICE_AES inline void encrypt(const uint8_t* keys, __m128i (&x)[kBlocks]) {
  __m128i k = load(keys);
  for (__m128i& b : x) b = _mm_xor_si128(b, k);
#pragma GCC unroll 14
  for (unsigned r = 1; r < kRounds; ++r) {
    k = load(keys + 16 * r);
    for (__m128i& b : x) b = _mm_aesenc_si128(b, k);
  }
  k = load(keys + 16 * kRounds);
  for (__m128i& b : x) b = _mm_aesenclast_si128(b, k);
}

template <unsigned kRounds, size_t kBlocks>
SLUICE_AES inline void decrypt(const uint8_t* keys, __m128i (&x)[kBlocks]) {
  __m128i k = load(keys);
  for (__m128i& b : x) b = _mm_xor_si128(b, k);
#pragma GCC unroll 14
  for (unsigned r = 1; r < kRounds; ++r) {
    k = load(keys + 16 * r);
    for (__m128i& b : x) b = _mm_aesdec_si128(b, k);
  }
  k = load(keys + 16 * kRounds);
  for (__m128i& b : x) b = _mm_aesdeclast_si128(b, k);
}

struct Counter {
  uint64_t high, low;
  SLUICE_AES __m128i next() {
    const __m128i block =
        _mm_set_epi64x(static_cast<long long>(__builtin_bswap64(low)), static_cast<long long>(__builtin_bswap64(high)));
    if (++low == 0) ++high;
    return block;
  }
};

template <unsigned kRounds, size_t kBlocks>
SLUICE_AES inline void ctr_group(const AesKey& key, Counter& counter, uint8_t* dst, const uint8_t* src) {
  __m128i x[kBlocks];
  for (__m128i& b : x) b = counter.next();
  encrypt<kRounds>(key.encrypt.data(), x);
  for (size_t i = 0; i < kBlocks; ++i) store(dst + 16 * i, _mm_xor_si128(load(src + 16 * i), x[i]));
}

template <unsigned kRounds, size_t kBlocks>
SLUICE_AES inline void cbc_group(const AesKey& key, __m128i& before, uint8_t* dst, const uint8_t* src) {
  __m128i cipher[kBlocks], x[kBlocks];
  for (size_t i = 0; i < kBlocks; ++i) x[i] = cipher[i] = load(src + 16 * i);
  decrypt<kRounds>(key.decrypt.data(), x);
  store(dst, _mm_xor_si128(x[0], before));
  for (size_t i = 1; i < kBlocks; ++i) store(dst + 16 * i, _mm_xor_si128(x[i], cipher[i - 1]));
  before = cipher[kBlocks - 1];
}

// Eights, then a four, a two and a one.
#define SLUICE_IN_GROUPS(group)                                      \
  for (; blocks >= 8; blocks -= 8, dst += 128, src += 128) group(8); \
  if (blocks & 4) group(4), dst += 64, src += 64;                    \
  if (blocks & 2) group(2), dst += 32, src += 32;                    \
  if (blocks & 1) group(1);

template <unsigned kRounds>
SLUICE_AES void ctr(const AesKey& key, uint8_t* counter, uint8_t* dst, const uint8_t* src, size_t blocks) {
  Counter at{load_be64(counter), load_be64(counter + 8)};
#define SLUICE_CTR(n) ctr_group<kRounds, n>(key, at, dst, src)
  SLUICE_IN_GROUPS(SLUICE_CTR)
#undef SLUICE_CTR
  store_be64(counter, at.high);
  store_be64(counter + 8, at.low);
}

template <unsigned kRounds>
SLUICE_AES void cbc_encrypt(const AesKey& key, uint8_t* iv, uint8_t* dst, const uint8_t* src, size_t blocks) {
  if (blocks == 0) return;
  // The path on which each block waits for the one before it holds the rounds alone: the next text and the first round
  // key come in with the last.
  const __m128i first_key = load(key.encrypt.data());
  const __m128i last_key = load(key.encrypt.data() + 16 * kRounds);
  __m128i text = _mm_xor_si128(load(src), first_key);
  __m128i x = _mm_xor_si128(load(iv), text);
  for (; blocks > 0; --blocks, src += 16, dst += 16) {
#pragma GCC unroll 14
    for (unsigned r = 1; r < kRounds; ++r) x = _mm_aesenc_si128(x, load(key.encrypt.data() + 16 * r));
    // Nothing is read behind the last block.
    text = blocks > 1 ? _mm_xor_si128(load(src + 16), first_key) : _mm_setzero_si128();
    x = _mm_aesenclast_si128(x, _mm_xor_si128(last_key, text));
    store(dst, _mm_xor_si128(x, text));
  }
  store(iv, x);
}

template <unsigned kRounds>
SLUICE_AES void cbc_decrypt(const AesKey& key, uint8_t* iv, uint8_t* dst, const uint8_t* src, size_t blocks) {
  __m128i before = load(iv);
#define SLUICE_CBC(n) cbc_group<kRounds, n>(key, before, dst, src)
  SLUICE_IN_GROUPS(SLUICE_CBC)
#undef SLUICE_CBC
  store(iv, before);
}

#define SLUICE_BY_ROUNDS(function)                              \
  switch (key.bytes) {                                          \
    case 16: return function<10>(key, state, dst, src, blocks); \
    case 24: return function<12>(key, state, dst, src, blocks); \
    default: return function<14>(key, state, dst, src, blocks); \
  }

}  // namespace

bool expand_aes_key(AesKey& key, Bytes bytes) {
  const IMB_MGR* m = imb_functions();
  if (m == nullptr) return false;
  switch (bytes.size()) {
    case 16: IMB_AES_KEYEXP_128(m, bytes.data(), key.encrypt.data(), key.decrypt.data()); break;
    case 24: IMB_AES_KEYEXP_192(m, bytes.data(), key.encrypt.data(), key.decrypt.data()); break;
    case 32: IMB_AES_KEYEXP_256(m, bytes.data(), key.encrypt.data(), key.decrypt.data()); break;
    default: return false;
  }
  key.bytes = static_cast<unsigned>(bytes.size());
  return true;
}

void aes_ctr_blocks(const AesKey& key, uint8_t* state, uint8_t* dst, const uint8_t* src, size_t blocks) {
  SLUICE_BY_ROUNDS(ctr)
}

void aes_cbc_encrypt_blocks(const AesKey& key, uint8_t* state, uint8_t* dst, const uint8_t* src, size_t blocks) {
  SLUICE_BY_ROUNDS(cbc_encrypt)
}

void aes_cbc_decrypt_blocks(const AesKey& key, uint8_t* state, uint8_t* dst, const uint8_t* src, size_t blocks) {
  SLUICE_BY_ROUNDS(cbc_decrypt)
}

}  // namespace sluice
