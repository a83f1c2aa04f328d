// The state's words are spread over vectors, a block in each lane; then lanes and words are exchanged.
#include "drivers/chacha20_blocks.h"

#include <utility>

#include "base/bytes.h"
#include "drivers/chacha20_rounds.h"

namespace sluice {
namespace {

// Of two vectors, in each quarter of four words: words 0 of both, then words 1, or words 2 and 3.
constexpr int zip_index(size_t i, size_t words, size_t first) {
  const size_t word = i / 4 * 4 + first + i % 4 / 2;
  return static_cast<int>(i % 2 == 0 ? word : words + word);
}
// The same of pairs of words: one of each vector.
constexpr int pair_index(size_t i, size_t pairs, size_t first) {
  const size_t pair = i / 2 * 2 + first;
  return static_cast<int>(i % 2 == 0 ? pair : pairs + pair);
}
// Of quarters, in pairs of words: `from` and `from` + `step` of the first vector, then of the second.
constexpr int quarter_index(size_t i, size_t pairs, size_t from, size_t step) {
  const size_t quarter = from + i / 2 % (pairs / 4) * step;
  return static_cast<int>((i < pairs / 2 ? 0 : pairs) + quarter * 2 + i % 2);
}

// Vectors of pairs of words are what the compiler knows cheap exchanges for.
template <size_t kLanes>
struct Exchange {
  using V = typename WordVector<kLanes>::Type;
  typedef uint64_t Pairs __attribute__((vector_size(4 * kLanes)));
  static constexpr size_t kPairs = kLanes / 2;

  template <size_t kFirst, size_t... kWord>
  [[gnu::always_inline]] static void zip(Pairs& out, const V& a, const V& b, std::index_sequence<kWord...>) {
    out = reinterpret_cast<Pairs>(__builtin_shufflevector(a, b, zip_index(kWord, kLanes, kFirst)...));
  }
  template <size_t kFirst, size_t... kPair>
  [[gnu::always_inline]] static void pair(V& out, const Pairs& a, const Pairs& b, std::index_sequence<kPair...>) {
    out = reinterpret_cast<V>(__builtin_shufflevector(a, b, pair_index(kPair, kPairs, kFirst)...));
  }
  template <size_t kFrom, size_t kStep, size_t... kPair>
  [[gnu::always_inline]] static void quarters(V& out, const V& a, const V& b, std::index_sequence<kPair...>) {
    out = reinterpret_cast<V>(__builtin_shufflevector(reinterpret_cast<Pairs>(a), reinterpret_cast<Pairs>(b),
                                                      quarter_index(kPair, kPairs, kFrom, kStep)...));
  }
  template <size_t kFrom, size_t kStep>
  [[gnu::always_inline]] static void quarters(V& out, const V& a, const V& b) {
    quarters<kFrom, kStep>(out, a, b, std::make_index_sequence<kPairs>());
  }

  // Four words of all blocks: afterwards quarter q of vector k is of block 4q + k.
  [[gnu::always_inline]] static void words(V* s) {
    constexpr auto w = std::make_index_sequence<kLanes>();
    constexpr auto p = std::make_index_sequence<kPairs>();
    Pairs low01, high01, low23, high23;
    zip<0>(low01, s[0], s[1], w), zip<2>(high01, s[0], s[1], w);
    zip<0>(low23, s[2], s[3], w), zip<2>(high23, s[2], s[3], w);
    pair<0>(s[0], low01, low23, p), pair<1>(s[1], low01, low23, p);
    pair<0>(s[2], high01, high23, p), pair<1>(s[3], high01, high23, p);
  }
};

template <typename V>
[[gnu::always_inline]] inline void put(uint8_t* dst, const uint8_t* src, const V& keystream) {
  V text;
  std::memcpy(&text, src, sizeof text);
  text ^= keystream;
  std::memcpy(dst, &text, sizeof text);
}

// Vectors k of the four groups of words to the blocks 4q + k.
template <size_t kLanes, typename V>
[[gnu::always_inline]] inline void put_blocks(const std::array<V, 16>& s, size_t k, uint8_t* dst, const uint8_t* src) {
  using E = Exchange<kLanes>;
  const size_t block_k = k * kChachaBlockBytes;
  constexpr size_t kFour = 4 * kChachaBlockBytes;
  dst += block_k;
  src += block_k;
  V out;
  if constexpr (kLanes == 16) {
    V low01, high01, low23, high23;
    E::template quarters<0, 1>(low01, s[k], s[4 + k]), E::template quarters<2, 1>(high01, s[k], s[4 + k]);
    E::template quarters<0, 1>(low23, s[8 + k], s[12 + k]), E::template quarters<2, 1>(high23, s[8 + k], s[12 + k]);
    E::template quarters<0, 2>(out, low01, low23), put(dst, src, out);
    E::template quarters<1, 2>(out, low01, low23), put(dst + kFour, src + kFour, out);
    E::template quarters<0, 2>(out, high01, high23), put(dst + 2 * kFour, src + 2 * kFour, out);
    E::template quarters<1, 2>(out, high01, high23), put(dst + 3 * kFour, src + 3 * kFour, out);
  } else if constexpr (kLanes == 8) {
    for (size_t g = 0; g < 4; g += 2) {
      const size_t at = 16 * g;
      E::template quarters<0, 1>(out, s[4 * g + k], s[4 * g + 4 + k]), put(dst + at, src + at, out);
      E::template quarters<1, 1>(out, s[4 * g + k], s[4 * g + 4 + k]), put(dst + kFour + at, src + kFour + at, out);
    }
  } else {
    for (size_t g = 0; g < 4; ++g) put(dst + 16 * g, src + 16 * g, s[4 * g + k]);
  }
}

constexpr std::array<uint32_t, 32> kLaneNumbers = [] {
  std::array<uint32_t, 32> numbers{};
  for (uint32_t i = 0; i < numbers.size(); ++i) numbers[i] = i;
  return numbers;
}();

// Several groups of lanes, since a round alone waits for its own results.
template <size_t kLanes, size_t kGroups>
[[gnu::always_inline]] inline void run(const ChachaState& state, uint8_t* dst, const uint8_t* src) {
  using V = typename WordVector<kLanes>::Type;
  std::array<std::array<V, 16>, kGroups> s;
  std::array<V, kGroups> counters;
#pragma GCC unroll 2
  for (size_t g = 0; g < kGroups; ++g) {
    std::memcpy(&counters[g], kLaneNumbers.data() + g * kLanes, sizeof(V));
    counters[g] += state[kChachaCounterWord];
    for (size_t i = 0; i < 16; ++i) s[g][i] = i == kChachaCounterWord ? counters[g] : V{} + state[i];
  }
  for (int i = 0; i < 10; ++i) {
#pragma GCC unroll 2
    for (size_t g = 0; g < kGroups; ++g) chacha_double_round(s[g]);
  }
#pragma GCC unroll 2
  for (size_t g = 0; g < kGroups; ++g) {
    for (size_t i = 0; i < 16; ++i) s[g][i] += i == kChachaCounterWord ? counters[g] : V{} + state[i];
    for (size_t i = 0; i < 16; i += 4) Exchange<kLanes>::words(&s[g][i]);
    const size_t at = g * kLanes * kChachaBlockBytes;
    for (size_t k = 0; k < 4; ++k) put_blocks<kLanes>(s[g], k, dst + at, src + at);
  }
}

#if defined(__x86_64__)
[[gnu::target("avx512f,avx512vl")]] void run_16(const ChachaState& state, uint8_t* dst, const uint8_t* src) {
  run<16, 1>(state, dst, src);
}
[[gnu::target("avx512f,avx512vl")]] void run_32(const ChachaState& state, uint8_t* dst, const uint8_t* src) {
  run<16, 2>(state, dst, src);
}
[[gnu::target("avx2")]] void run_8(const ChachaState& state, uint8_t* dst, const uint8_t* src) {
  run<8, 1>(state, dst, src);
}
#endif
void run_4(const ChachaState& state, uint8_t* dst, const uint8_t* src) { run<4, 1>(state, dst, src); }

}  // namespace

ChachaState chacha_state(const uint8_t* key, uint32_t counter, const uint8_t* nonce) {
  ChachaState state;
  for (size_t i = 0; i < 4; ++i) state[i] = kChachaConstants[i];
  for (size_t i = 0; i < 8; ++i) state[4 + i] = load_le32(key + 4 * i);
  state[kChachaCounterWord] = counter;
  for (size_t i = 0; i < 3; ++i) state[13 + i] = load_le32(nonce + 4 * i);
  return state;
}

VectorLevel vector_level() {
#if defined(__x86_64__)
  // The multiplication of Poly1305 is IFMA's.
  if (__builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512ifma")) return VectorLevel::avx512;
  if (__builtin_cpu_supports("avx2")) return VectorLevel::avx2;
#endif
  return VectorLevel::portable;
}

ChachaRuns chacha_runs(VectorLevel level) {
#if defined(__x86_64__)
  if (level == VectorLevel::avx512) return {{16 * kChachaBlockBytes, run_16}, {32 * kChachaBlockBytes, run_32}};
  if (level == VectorLevel::avx2) return {{8 * kChachaBlockBytes, run_8}, {8 * kChachaBlockBytes, run_8}};
#endif
  return {{4 * kChachaBlockBytes, run_4}, {4 * kChachaBlockBytes, run_4}};
}

}  // namespace sluice
