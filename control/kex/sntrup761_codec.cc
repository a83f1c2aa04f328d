// Mixed-radix packing: neighbours are merged pairwise, level by level, until one number is left, and each merge sheds
// the low bytes of what has grown past 14 bits. How many bytes each level sheds depends on the modulus only.
#include "control/kex/sntrup761_codec.h"

#include "base/check.h"
#include "control/kex/wiped.h"

namespace sluice::sntrup761 {
namespace {

constexpr uint32_t kLimit = 16384;
constexpr size_t kLevels = 11;

struct Digits {
  std::array<uint16_t, kP> value;
};

// The moduli of one level: all the same but the last.
struct Level {
  size_t count;
  uint32_t modulus;
  uint32_t last;
};

struct Merge {
  uint32_t modulus;
  unsigned shed;
};

constexpr Merge merge(uint32_t low, uint32_t high) {
  uint32_t modulus = low * high;
  unsigned shed = 0;
  for (; modulus >= kLimit; ++shed) modulus = (modulus + 255) / 256;
  return {modulus, shed};
}

constexpr std::array<Level, kLevels> levels_of(uint32_t modulus) {
  std::array<Level, kLevels> levels{};
  levels[0] = {kP, modulus, modulus};
  for (size_t i = 1; i < kLevels; ++i) {
    const Level& below = levels[i - 1];
    const bool odd = below.count % 2 != 0;
    const uint32_t merged = merge(below.modulus, below.modulus).modulus;
    levels[i] = {(below.count + 1) / 2, merged, odd ? below.last : merge(below.modulus, below.last).modulus};
  }
  return levels;
}

constexpr auto kBigLevels = levels_of(static_cast<uint32_t>(kQ));
constexpr auto kRoundedLevels = levels_of(static_cast<uint32_t>(kQ + 2) / 3);
static_assert(kBigLevels.back().count == 1 && kRoundedLevels.back().count == 1);

Merge merge_at(const Level& level, size_t pair) {
  return merge(level.modulus, 2 * pair + 2 == level.count ? level.last : level.modulus);
}

// Divides only by powers of two: what is encoded is secret until it has been sent.
size_t encode_digits(Digits& digits, const std::array<Level, kLevels>& levels, uint8_t* out) {
  const uint8_t* const start = out;
  for (size_t l = 0; l + 1 < kLevels; ++l) {
    const Level& level = levels[l];
    for (size_t i = 0; i < level.count / 2; ++i) {
      uint32_t merged = digits.value[2 * i] + level.modulus * digits.value[2 * i + 1];
      for (unsigned shed = merge_at(level, i).shed; shed > 0; --shed) {
        *out++ = static_cast<uint8_t>(merged);
        merged >>= 8;
      }
      digits.value[i] = static_cast<uint16_t>(merged);
    }
    if (level.count % 2 != 0) digits.value[level.count / 2] = digits.value[level.count - 1];
  }
  uint32_t rest = digits.value[0];
  for (uint32_t modulus = levels.back().last; modulus > 1; modulus = (modulus + 255) / 256) {
    *out++ = static_cast<uint8_t>(rest);
    rest >>= 8;
  }
  return static_cast<size_t>(out - start);
}

// Walks the levels backwards, from the end of the bytes. It divides, since only public keys and ciphertexts are
// decoded. Values past a modulus wrap around, as the specification has it: the re-encryption finds such a ciphertext
// out.
void decode_digits(Digits& digits, const std::array<Level, kLevels>& levels, const uint8_t* in, size_t size) {
  const uint8_t* end = in + size;
  uint32_t top = 0;
  for (uint32_t modulus = levels.back().last; modulus > 1; modulus = (modulus + 255) / 256) top = top << 8 | *--end;
  digits.value[0] = static_cast<uint16_t>(top % levels.back().last);
  for (size_t l = kLevels - 1; l-- > 0;) {
    const Level& level = levels[l];
    if (level.count % 2 != 0) digits.value[level.count - 1] = digits.value[level.count / 2];
    for (size_t i = level.count / 2; i-- > 0;) {
      uint32_t merged = digits.value[i];
      for (unsigned shed = merge_at(level, i).shed; shed > 0; --shed) merged = merged << 8 | *--end;
      const uint32_t high = 2 * i + 2 == level.count ? level.last : level.modulus;
      digits.value[2 * i] = static_cast<uint16_t>(merged % level.modulus);
      digits.value[2 * i + 1] = static_cast<uint16_t>(merged / level.modulus % high);
    }
  }
  SLUICE_CHECK(end == in);
}

}  // namespace

void encode(const Small& a, uint8_t* out) {
  for (size_t i = 0; i < kSmallSize; ++i) {
    uint32_t byte = 0;
    for (size_t j = 0; j < 4 && 4 * i + j < kP; ++j) byte |= static_cast<uint32_t>(a.c[4 * i + j] + 1) << (2 * j);
    out[i] = static_cast<uint8_t>(byte);
  }
}

void decode(Small& a, const uint8_t* in) {
  for (size_t i = 0; i < kP; ++i) a.c[i] = static_cast<int8_t>(((in[i / 4] >> (2 * (i % 4))) & 3) - 1);
}

void encode(const Big& a, uint8_t* out) {
  Wiped<Digits> digits;
  for (size_t i = 0; i < kP; ++i) digits.value[i] = static_cast<uint16_t>(a.c[i] + kQ / 2);
  SLUICE_CHECK(encode_digits(digits, kBigLevels, out) == kBigSize);
}

void decode(Big& a, const uint8_t* in) {
  Wiped<Digits> digits;
  decode_digits(digits, kBigLevels, in, kBigSize);
  for (size_t i = 0; i < kP; ++i) a.c[i] = static_cast<int16_t>(digits.value[i] - kQ / 2);
}

void encode_rounded(const Big& a, uint8_t* out) {
  Wiped<Digits> digits;
  // 10923 / 2^15 is a third for multiples of 3 of this size.
  for (size_t i = 0; i < kP; ++i) digits.value[i] = static_cast<uint16_t>(((a.c[i] + kQ / 2) * 10923) >> 15);
  SLUICE_CHECK(encode_digits(digits, kRoundedLevels, out) == kRoundedSize);
}

void decode_rounded(Big& a, const uint8_t* in) {
  Wiped<Digits> digits;
  decode_digits(digits, kRoundedLevels, in, kRoundedSize);
  for (size_t i = 0; i < kP; ++i) a.c[i] = static_cast<int16_t>(digits.value[i] * 3 - kQ / 2);
}

}  // namespace sluice::sntrup761
