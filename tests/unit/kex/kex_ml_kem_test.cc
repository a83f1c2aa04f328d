// ML-KEM-768 against NIST's and Go's answers, and its refusals.
#include "control/kex/ml_kem.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"
#include "control/kex/ml_kem_ring.h"
#include "tests/unit/kex/kex_vectors.h"
#include "tests/unit/kex/ml_kem_vectors.h"

namespace sluice::ml_kem {
namespace {

std::string shared_hex(const Secret& key, Bytes ciphertext) { return to_hex(decapsulate(key, ciphertext)->view()); }

// Go's crypto/mlkem publishes this hash over 10,000 keys, encapsulations and rejections (TestAccumulated). SHAKE-128 of
// nothing gives the seeds: d and z, m, and a ciphertext that is random.
TEST(MlKem, Ten_thousand_accumulated_answers_have_the_hash_that_Go_publishes) {
  constexpr size_t kRounds = 10000;
  constexpr size_t kRound = 3 * kSeedSize + kCiphertextSize;
  std::vector<uint8_t> stream(kRounds * kRound);
  hash_into(HashId::shake128, {}, stream);
  Hasher accumulated(HashId::shake128);
  Bytes rest = stream;
  const auto take = [&](size_t n) {
    const Bytes taken = rest.first(n);
    rest = rest.subspan(n);
    return taken;
  };
  for (size_t i = 0; i < kRounds; ++i) {
    const Bytes d = take(kSeedSize);
    const Bytes z = take(kSeedSize);
    const KemKeyPair pair = generate_from(d, z);
    const auto sent = encapsulate_with(pair.public_key, take(kSeedSize));
    ASSERT_TRUE(sent);
    ASSERT_EQ(shared_hex(pair.secret_key, sent->ciphertext), to_hex(sent->shared.view()));
    const auto rejected = decapsulate(pair.secret_key, take(kCiphertextSize));
    accumulated.update(pair.public_key).update(sent->ciphertext).update(sent->shared.view()).update(rejected->view());
  }
  std::array<uint8_t, 32> hash;
  accumulated.finish(hash);
  EXPECT_EQ(to_hex(hash), "8a518cc63da366322a8e7a818c7a0d63483cb3528d34a4cf42f35d5ad73f22fc");
}

struct KnownKey {
  std::string_view d;
  std::string_view z;
  std::string_view key_hash;
};

// SHA3-256 of the encapsulation keys that OpenSSL 4.0 makes of seeds of NIST's.
constexpr KnownKey kKnownKeys[] = {
    {"11da88a25978abc91323eb7d045c4f7981ab4d20f1ccbaf348b1fea2144e5d21",
     "1deb0beca1dc6133eb55626c5eaa368d380db9f14e08da1cc62a7fbaab971f75",
     "d6dd240273a2261fe27f751ad8201ce297c99629f5425a9447276d88e948176e"},
    {"6a43fb82ebb6fb41ae9c716d684d0366d82de74faf351202293b69afc38f9822",
     "9b9323f7c784852c38d7d5cf1092d30461f8b6e8e112988d3bc20770e3341983",
     "2914518463443955e80663313aed7931a060658e919b40cec35e3f07518e77d4"},
};

TEST(MlKem, Keys_are_those_of_OpenSSL) {
  for (const KnownKey& known : kKnownKeys) {
    const KemKeyPair pair = generate_from(from_hex(known.d), from_hex(known.z));
    const Bytes secret = pair.secret_key.view();
    EXPECT_EQ(hash_hex(HashId::sha3_256, pair.public_key), known.key_hash);
    EXPECT_EQ(to_hex(secret.subspan(1152, kEncapsulationKeySize)), to_hex(pair.public_key));
    EXPECT_EQ(to_hex(secret.last(64)), std::string(known.key_hash) + std::string(known.z));
  }
}

TEST(MlKem, An_encapsulation_is_that_of_NIST) {
  const auto sent = encapsulate_with(from_hex(kNistEncapsulationKey), from_hex(kNistM));
  ASSERT_TRUE(sent);
  EXPECT_EQ(to_hex(sent->ciphertext), kNistCiphertext);
  EXPECT_EQ(to_hex(sent->shared.view()), kNistShared);
}

TEST(MlKem, Random_keys_agree_on_both_sides) {
  for (int i = 0; i < 200; ++i) {
    const KemKeyPair pair = generate();
    const auto sent = encapsulate(pair.public_key);
    ASSERT_TRUE(sent);
    EXPECT_EQ(shared_hex(pair.secret_key, sent->ciphertext), to_hex(sent->shared.view()));
  }
}

TEST(MlKem, Decapsulation_of_a_flipped_ciphertext_gives_the_rejection_secret) {
  const KemKeyPair pair = generate();
  auto sent = encapsulate(pair.public_key);
  ASSERT_TRUE(sent);
  for (size_t at : {size_t{0}, size_t{959}, size_t{960}, kCiphertextSize - 1}) {
    sent->ciphertext[at] ^= 0x10;
    std::array<uint8_t, 32> rejection;
    hash_into(HashId::shake256, {pair.secret_key.view().last(32), sent->ciphertext}, rejection);
    EXPECT_EQ(shared_hex(pair.secret_key, sent->ciphertext), to_hex(rejection)) << at;
    sent->ciphertext[at] ^= 0x10;
  }
}

// FIPS 203 section 7.2: a coefficient of q is refused wherever it stands, the one below it is not.
TEST(MlKem, An_encapsulation_key_with_a_coefficient_of_q_is_refused) {
  const KemKeyPair pair = generate();
  for (size_t at : {size_t{0}, size_t{1}, size_t{255}, size_t{767}}) {
    for (uint32_t value : {3328u, 3329u, 4095u}) {
      std::vector<uint8_t> key = pair.public_key;
      uint8_t* triple = key.data() + at / 2 * 3;
      if (at % 2 == 0) {
        triple[0] = static_cast<uint8_t>(value);
        triple[1] = static_cast<uint8_t>((triple[1] & 0xf0) | value >> 8);
      } else {
        triple[1] = static_cast<uint8_t>((triple[1] & 0x0f) | (value & 15) << 4);
        triple[2] = static_cast<uint8_t>(value >> 4);
      }
      const auto sent = encapsulate(key);
      if (value < 3329) {
        EXPECT_TRUE(sent) << at;
      } else {
        ASSERT_FALSE(sent) << at;
        EXPECT_EQ(sent.error(), ErrorCode::key_exchange_value);
      }
    }
  }
}

TEST(MlKem, Wrong_lengths_are_malformed) {
  const KemKeyPair pair = generate();
  for (size_t size : {size_t{0}, kEncapsulationKeySize - 1, kEncapsulationKeySize + 1}) {
    EXPECT_EQ(encapsulate(std::vector<uint8_t>(size)).error(), ErrorCode::malformed_message);
  }
  for (size_t size : {size_t{0}, kCiphertextSize - 1, kCiphertextSize + 1}) {
    EXPECT_EQ(decapsulate(pair.secret_key, std::vector<uint8_t>(size)).error(), ErrorCode::malformed_message);
  }
}

// The multiplication that stands for a division is compared with rounding in floating point, for every coefficient.
template <unsigned kBits>
void expect_exact_compression() {
  for (int start = 0; start < kQ; start += static_cast<int>(kN)) {
    Poly a{};
    for (int i = 0; i < static_cast<int>(kN); ++i) a.c[static_cast<size_t>(i)] = static_cast<int16_t>((start + i) % kQ);
    uint8_t packed[32 * kBits];
    compress<kBits>(a, packed);
    for (size_t i = 0; i < kN; ++i) {
      uint32_t value = 0;
      for (unsigned bit = 0; bit < kBits; ++bit) {
        const size_t at = i * kBits + bit;
        value |= static_cast<uint32_t>((packed[at / 8] >> (at % 8)) & 1) << bit;
      }
      const double exact = std::floor(a.c[i] * std::ldexp(1.0, kBits) / kQ + 0.5);
      EXPECT_EQ(value, static_cast<uint32_t>(exact) % (1u << kBits)) << a.c[i];
    }
  }
}

TEST(MlKemRing, Compression_rounds_every_coefficient_exactly) {
  expect_exact_compression<1>();
  expect_exact_compression<4>();
  expect_exact_compression<10>();
}

}  // namespace
}  // namespace sluice::ml_kem
