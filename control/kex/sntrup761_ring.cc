// Multiplication by columns, inversion by division steps, and Batcher's sorting network.
#include "control/kex/sntrup761_ring.h"

#include <algorithm>
#include <cstring>

#include "control/kex/wiped.h"

// The loops below are written for the compiler's vectoriser; the widest units of the machine are chosen at start-up.
// Sanitizers cannot run in the resolver that chooses.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define SLUICE_VECTOR_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define SLUICE_VECTOR_CLONES
#endif

namespace sluice::sntrup761 {
namespace {

// Below 2571 in magnitude and congruent to x, for |x| up to 15 million: the quotient is rounded from the upper bits
// only, so that everything fits 32 bits.
inline int32_t nearly_reduce(int32_t x) {
  constexpr int32_t kReciprocal = ((1 << 27) + kQ / 2) / kQ;
  return x - (((x >> 8) * kReciprocal + (1 << 18)) >> 19) * kQ;
}

inline int16_t reduce_q(int32_t x) {
  int32_t r = nearly_reduce(x);
  r += kQ & ((r + kQ / 2) >> 31);
  r -= kQ & ((kQ / 2 - r) >> 31);
  return static_cast<int16_t>(r);
}

// For |x| up to 10,000.
inline int8_t reduce_3(int32_t x) { return static_cast<int8_t>(x - 3 * ((10923 * x + 16384) >> 15)); }

// For |x| up to 2.
inline int8_t wrap_3(int8_t x) {
  const auto above = static_cast<int8_t>(static_cast<int8_t>(1 - x) >> 7);
  const auto below = static_cast<int8_t>(static_cast<int8_t>(x + 1) >> 7);
  return static_cast<int8_t>(x - (3 & above) + (3 & below));
}

inline int32_t mask_if_negative(int32_t x) { return x >> 31; }
inline int32_t mask_if_not_zero(int32_t x) { return -static_cast<int32_t>(static_cast<uint32_t>(x | -x) >> 31); }

// Columns of b that are multiplied together: 8 products of at most 2295 fit a 16-bit sum.
constexpr size_t kColumns = 8;
constexpr size_t kPaddedP = (kP + kColumns - 1) / kColumns * kColumns;

struct Padded {
  // Zeros on both sides, so that every column reads a whole row.
  std::array<int16_t, kColumns - 1 + kP + kColumns> c;
};
struct Columns {
  std::array<int16_t, kPaddedP> c;
};
struct Product {
  std::array<int32_t, 2 * kPaddedP> c;
};

// product = a * b without any reduction.
SLUICE_VECTOR_CLONES
void multiply_columns(int32_t* __restrict product, const int16_t* __restrict a, const int16_t* __restrict b) {
  constexpr size_t kRow = kP + kColumns - 1;
  for (size_t i = 0; i < kPaddedP; i += kColumns) {
    const int16_t* column = b + i;
    for (size_t j = 0; j < kRow; ++j) {
      int16_t sum = 0;
      for (size_t k = 0; k < kColumns; ++k) {
        sum = static_cast<int16_t>(sum + column[k] * a[j + kColumns - 1 - k]);
      }
      product[i + j] += sum;
    }
  }
}

// The product with x^761 = x + 1 applied, coefficients not reduced.
template <class Coefficients>
void multiply_in_ring(Product& product, const Coefficients& a, const Small& b) {
  Wiped<Padded> padded;
  Wiped<Columns> columns;
  for (size_t i = 0; i < kP; ++i) padded.c[kColumns - 1 + i] = a.c[i];
  for (size_t i = 0; i < kP; ++i) columns.c[i] = b.c[i];
  multiply_columns(product.c.data(), padded.c.data(), columns.c.data());
  for (size_t i = 2 * kP - 2; i >= kP; --i) {
    product.c[i - kP] += product.c[i];
    product.c[i - kP + 1] += product.c[i];
  }
}

constexpr size_t kLanes = kP + 1;
constexpr int kDivisionSteps = 2 * static_cast<int>(kP) - 1;

// The state of Bernstein and Yang's division steps ("Fast constant-time gcd computation and modular inversion", section
// 6): f and g are divided, v and r follow as the factors by which the input is multiplied.
template <class Lane>
struct DivisionState {
  std::array<Lane, kLanes> f;
  std::array<Lane, kLanes> g;
  std::array<Lane, kLanes> v;
  std::array<Lane, kLanes> r;

  // f = x^761 - x - 1 and g = a, both with their coefficients in reverse.
  void start(const Small& a) {
    f[0] = 1;
    f[kP - 1] = -1;
    f[kP] = -1;
    for (size_t i = 0; i < kP; ++i) g[i] = a.c[kP - 1 - i];
    r[0] = 1;
  }
};

// delta becomes its negative and the mask all ones where this step swaps: where delta > 0 and g(0) is not 0.
inline int32_t swap_mask(int32_t& delta, int32_t g0) {
  const int32_t mask = mask_if_negative(-delta) & mask_if_not_zero(g0);
  delta ^= mask & (delta ^ -delta);
  ++delta;
  return mask;
}

constexpr uint16_t kQInverse = [] {
  uint32_t x = 1;
  for (int i = 0; i < 5; ++i) x *= 2 - static_cast<uint32_t>(kQ) * x;
  return static_cast<uint16_t>(x);
}();

// a * b * 2^-16 modulo q with b * kQInverse given. Only 16-bit products, which fill twice the lanes of 32-bit ones.
inline int16_t montgomery(int16_t a, int16_t b, int16_t b_times_inverse) {
  const auto high = static_cast<int16_t>((static_cast<int32_t>(a) * b) >> 16);
  const auto multiple = static_cast<int16_t>(static_cast<uint32_t>(a) * static_cast<uint32_t>(b_times_inverse));
  const auto borrowed = static_cast<int16_t>((static_cast<int32_t>(multiple) * kQ) >> 16);
  return static_cast<int16_t>(high - borrowed);
}

inline int16_t times_inverse(int16_t x) {
  return static_cast<int16_t>(static_cast<uint32_t>(x) * static_cast<uint32_t>(kQInverse));
}

// One row of a step: swap upper and lower under the mask, then lower = lower * f0 - upper * g0. The factor 2^-16 that
// comes with it is the same for both rows and cancels at the end. Lanes stay below 4950 in magnitude.
inline void combine_q(int16_t& upper, int16_t& lower, int16_t mask, int16_t f0, int16_t f0i, int16_t g0, int16_t g0i) {
  const auto exchanged = static_cast<int16_t>(mask & (upper ^ lower));
  upper = static_cast<int16_t>(upper ^ exchanged);
  lower = static_cast<int16_t>(lower ^ exchanged);
  lower = static_cast<int16_t>(montgomery(lower, f0, f0i) - montgomery(upper, g0, g0i));
}

SLUICE_VECTOR_CLONES
void combine_rows_q(int16_t* __restrict upper, int16_t* __restrict lower, int16_t mask, int16_t f0, int16_t g0) {
  const int16_t f0i = times_inverse(f0);
  const int16_t g0i = times_inverse(g0);
  for (size_t i = 0; i < kLanes; ++i) combine_q(upper[i], lower[i], mask, f0, f0i, g0, g0i);
}

SLUICE_VECTOR_CLONES
void combine_rows_3(int8_t* __restrict upper, int8_t* __restrict lower, int8_t mask, int8_t used, int8_t negative) {
  for (size_t i = 0; i < kLanes; ++i) {
    const auto exchanged = static_cast<int8_t>(mask & (upper[i] ^ lower[i]));
    upper[i] = static_cast<int8_t>(upper[i] ^ exchanged);
    lower[i] = static_cast<int8_t>(lower[i] ^ exchanged);
    const auto term = static_cast<int8_t>(((upper[i] & used) ^ negative) - negative);
    lower[i] = wrap_3(static_cast<int8_t>(lower[i] + term));
  }
}

template <class Lane>
void divide_by_x(std::array<Lane, kLanes>& a) {
  std::memmove(&a[0], &a[1], kP * sizeof(Lane));
  a[kP] = 0;
}

template <class Lane>
void multiply_by_x(std::array<Lane, kLanes>& a) {
  std::memmove(&a[1], &a[0], kP * sizeof(Lane));
  a[0] = 0;
}

// x to the q - 2: the exponent is public, so its bits may steer.
int16_t invert_scalar(int16_t x) {
  int32_t result = 1;
  int32_t square = x;
  for (int32_t exponent = kQ - 2; exponent > 0; exponent >>= 1) {
    if (exponent & 1) result = reduce_q(result * square);
    square = reduce_q(square * square);
  }
  return static_cast<int16_t>(result);
}

// Batcher's merge exchange visits pairs that are `distance` apart.
inline void order(uint32_t& low, uint32_t& high) {
  // The borrow of high - low, without the comparison that a compiler might turn into a branch.
  const uint32_t difference = high - low;
  const uint32_t borrow = ((~high & low) | (~(high ^ low) & difference)) >> 31;
  const uint32_t exchanged = (0u - borrow) & (low ^ high);
  low ^= exchanged;
  high ^= exchanged;
}

}  // namespace

void multiply(Big& product, const Big& a, const Small& b) {
  Wiped<Product> sums;
  multiply_in_ring(sums, a, b);
  for (size_t i = 0; i < kP; ++i) product.c[i] = reduce_q(sums.c[i]);
}

void multiply(Small& product, const Small& a, const Small& b) {
  Wiped<Product> sums;
  multiply_in_ring(sums, a, b);
  for (size_t i = 0; i < kP; ++i) product.c[i] = reduce_3(sums.c[i]);
}

void triple(Big& a) {
  for (int16_t& c : a.c) c = reduce_q(3 * c);
}

void round_to_multiples_of_3(Big& a) {
  for (int16_t& c : a.c) c = static_cast<int16_t>(c - reduce_3(c));
}

void reduce_mod_3(Small& out, const Big& a) {
  for (size_t i = 0; i < kP; ++i) out.c[i] = reduce_3(a.c[i]);
}

void invert_triple(Big& inverse, const Small& a) {
  Wiped<DivisionState<int16_t>> s;
  s.start(a);
  // 1/3 enters here and so multiplies the result.
  s.r[0] = invert_scalar(3);
  int32_t delta = 1;
  for (int step = 0; step < kDivisionSteps; ++step) {
    multiply_by_x(s.v);
    int16_t f0 = reduce_q(s.f[0]);
    int16_t g0 = reduce_q(s.g[0]);
    const auto mask = static_cast<int16_t>(swap_mask(delta, g0));
    const auto exchanged = static_cast<int16_t>(mask & (f0 ^ g0));
    f0 = static_cast<int16_t>(f0 ^ exchanged);
    g0 = static_cast<int16_t>(g0 ^ exchanged);
    combine_rows_q(s.f.data(), s.g.data(), mask, f0, g0);
    combine_rows_q(s.v.data(), s.r.data(), mask, f0, g0);
    divide_by_x(s.g);
  }
  const int16_t scale = invert_scalar(reduce_q(s.f[0]));
  for (size_t i = 0; i < kP; ++i) inverse.c[i] = reduce_q(scale * reduce_q(s.v[kP - 1 - i]));
}

bool invert(Small& inverse, const Small& a) {
  Wiped<DivisionState<int8_t>> s;
  s.start(a);
  int32_t delta = 1;
  for (int step = 0; step < kDivisionSteps; ++step) {
    multiply_by_x(s.v);
    const int32_t sign = -s.f[0] * s.g[0];
    const auto mask = static_cast<int8_t>(swap_mask(delta, s.g[0]));
    const auto used = static_cast<int8_t>(mask_if_not_zero(sign));
    const auto negative = static_cast<int8_t>(mask_if_negative(sign));
    combine_rows_3(s.f.data(), s.g.data(), mask, used, negative);
    combine_rows_3(s.v.data(), s.r.data(), mask, used, negative);
    divide_by_x(s.g);
  }
  // f ends as the greatest common divisor, a constant of 1 or -1 where there is an inverse; delta tells its degree.
  for (size_t i = 0; i < kP; ++i) inverse.c[i] = static_cast<int8_t>(s.f[0] * s.v[kP - 1 - i]);
  return delta == 0;
}

int32_t wrong_weight_mask(const Small& a) {
  int32_t weight = 0;
  for (int8_t c : a.c) weight += c & 1;
  return mask_if_not_zero(weight - static_cast<int32_t>(kWeight));
}

// Knuth, The Art of Computer Programming, volume 3, section 5.2.2, algorithm M.
void sort(std::array<uint32_t, kP>& values) {
  constexpr size_t kTop = 512;
  for (size_t p = kTop; p > 0; p /= 2) {
    size_t phase = 0;
    size_t distance = p;
    for (size_t q = kTop;; q /= 2) {
      for (size_t start = phase; start + distance < kP; start += 2 * p) {
        const size_t end = std::min(start + p, kP - distance);
        for (size_t i = start; i < end; ++i) order(values[i], values[i + distance]);
      }
      if (q == p) break;
      distance = q - p;
      phase = p;
    }
  }
}

}  // namespace sluice::sntrup761
