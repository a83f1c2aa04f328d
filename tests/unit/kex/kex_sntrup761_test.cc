// sntrup761 against answers of OpenSSH's implementation and of NIST's deterministic generator, and its refusals.
#include "control/kex/sntrup761.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <algorithm>
#include <memory>

#include "base/random.h"
#include "control/kex/sntrup761_codec.h"
#include "tests/unit/kex/kex_vectors.h"

namespace sluice::sntrup761 {
namespace {

// SHA-512(seed || counter) with a 32-bit little-endian counter.
class HashStream {
 public:
  explicit HashStream(std::string seed) : seed_(std::move(seed)) {}

  void operator()(MutableBytes out) {
    for (uint8_t& byte : out) {
      if (used_ == block_.size()) refill();
      byte = block_[used_++];
      ++total_;
    }
  }
  size_t total() const { return total_; }

 private:
  void refill() {
    uint8_t counter[4];
    store_le32(counter, counter_++);
    hash_into(HashId::sha512, {bytes_of(seed_), counter}, block_);
    used_ = 0;
  }

  std::string seed_;
  std::array<uint8_t, 64> block_{};
  size_t used_ = 64;
  uint32_t counter_ = 0;
  size_t total_ = 0;
};

struct KnownAnswer {
  std::string_view public_key_sha512;
  std::string_view secret_key_sha512;
  std::string_view ciphertext_sha512;
  std::string_view shared;
  std::string_view rejected;
};

// Answers of OpenSSH 10.0's sntrup761.c fed with the HashStream of "reach sntrup761 kat N", as they are published
// beside a Rust implementation; `rejected` is for the ciphertext with the lowest bit of its first byte flipped.
constexpr KnownAnswer kOpensshAnswers[] = {
    {"597101fee410d1a3303ba897b42c1dd145792e5aa203c868771718f865d57880"
     "aa4f1322aabc6516e1a500a9062c67ede5042ea5bc15813a9b4b192d59b1a568",
     "aa6a04dfedbd0c83686580e15dfcb712c7f9041141117e12d5453e01c87e8dde"
     "757fbde67a22eda0bc001b5e466070f67766d578be223994f18b17a96b557ae2",
     "9d4bd929677894720d751523be604764cd9a119a7e10c056a6e0833fe78bc2ab"
     "4aa567dbe2b9fc42a36ecd5e26276116662186350cb4ad38dfb061307e614d7f",
     "83efc9cc0a60166f3e38fc3f13f062e284d0cb3047fa6d26319b9a99a254b27f",
     "459b8fda2a5d122baaab2944c2918cfda5858c97dd56381257eac7a9549c597d"},
    {"79861eb4d22015a6d4a52657e378a7ff506db3dc455183d2ccdb6b4ac24c8201"
     "3aac26cf12ecfada27db2be2e5f7628e241ca64c44fa82b8bc4e431bd2d86a04",
     "417cac759eb5f9ec570eafb9088f23fc36e34a5e8ad76eba85e90844dc6b3a24"
     "acfc95bc0a274ae4dbcbb3bbd469bb8a540a76d609419211c8670f93a2a521d9",
     "a61938b191e55b7e7e6016da728966e7a30cdc40c0aa948e74a5e68c6d0429fe"
     "f2e0875596fb20ea2fd93bedc722c2754fe4a0b8e1cf69c6177b50aae03686d4",
     "0420fab273dda98b20380b8796f3506d5e21c6c2cdee527ebb1e6e0643b715b4",
     "df42ead65c9856239863607526c55a08714a69cc060f2237430aef7dcd623094"},
    {"d548cae841ff02186aa2340ab6e9520adf6866713626437724adbaa66aeff86f"
     "f3d2e5dd776d13125c43e5c835a7becd02cdd66993a4a8de4115559f09e131e9",
     "3ef6c61402736f1dc32465d6b81619a3318f3f8efe9685d0648a6d8dc1817d21"
     "29e5aa11664312884fa2d4194fa60ebdd9bd02267a067575ae690ece0d895882",
     "75f21ec11753cf13b274c4d98fc2689f398b980b90e150e155d9d9fe5d675948"
     "9d4ddb4149feb06b311d29e3d0f0a18b531bbb06d73c29ef211fb86b0e0f16c2",
     "1aaac89948e8a96c1cd3dc0c5d25a7c5b50707a082fa440f844b2110a97e29e2",
     "743eefb1fb612372ba8a7ebda507f44ce56b48fbddf53894178e4769dbd02da4"},
};

std::string shared_hex(const Secret& key, Bytes ciphertext) { return to_hex(decapsulate(key, ciphertext)->view()); }

TEST(Sntrup761, Keys_ciphertexts_and_secrets_are_those_of_OpenSSH) {
  for (size_t n = 0; n < std::size(kOpensshAnswers); ++n) {
    const KnownAnswer& known = kOpensshAnswers[n];
    HashStream stream("reach sntrup761 kat " + std::to_string(n));
    const KemKeyPair pair = generate_from(std::ref(stream));
    EXPECT_EQ(stream.total(), 6279u);
    EXPECT_EQ(hash_hex(HashId::sha512, pair.public_key), known.public_key_sha512);
    EXPECT_EQ(hash_hex(HashId::sha512, pair.secret_key.view()), known.secret_key_sha512);
    auto sent = encapsulate_from(pair.public_key, std::ref(stream));
    ASSERT_TRUE(sent);
    EXPECT_EQ(hash_hex(HashId::sha512, sent->ciphertext), known.ciphertext_sha512);
    EXPECT_EQ(to_hex(sent->shared.view()), known.shared);
    EXPECT_EQ(shared_hex(pair.secret_key, sent->ciphertext), known.shared);
    sent->ciphertext[0] ^= 1;
    EXPECT_EQ(shared_hex(pair.secret_key, sent->ciphertext), known.rejected);
  }
}

// NIST's generator of known answers: AES-256 in counter mode, key and counter renewed after every request.
class NistGenerator {
 public:
  explicit NistGenerator(Bytes seed) : cipher_(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free) { update(seed); }

  void operator()(MutableBytes out) {
    while (!out.empty()) {
      const std::array<uint8_t, 16> block = next_block();
      const size_t n = std::min(out.size(), block.size());
      std::copy_n(block.begin(), n, out.begin());
      out = out.subspan(n);
    }
    update({});
  }

 private:
  std::array<uint8_t, 16> next_block() {
    for (size_t i = 16; i-- > 0;) {
      if (++counter_[i] != 0) break;
    }
    std::array<uint8_t, 16> block;
    int n = 0;
    EVP_EncryptInit_ex(cipher_.get(), EVP_aes_256_ecb(), nullptr, key_.data(), nullptr);
    EVP_EncryptUpdate(cipher_.get(), block.data(), &n, counter_.data(), 16);
    return block;
  }
  void update(Bytes seed) {
    std::array<uint8_t, 48> next;
    for (size_t i = 0; i < 3; ++i) {
      const std::array<uint8_t, 16> block = next_block();
      std::copy(block.begin(), block.end(), next.begin() + static_cast<ptrdiff_t>(16 * i));
    }
    for (size_t i = 0; i < seed.size(); ++i) next[i] ^= seed[i];
    std::copy_n(next.begin(), 32, key_.begin());
    std::copy_n(next.begin() + 32, 16, counter_.begin());
  }

  std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> cipher_;
  std::array<uint8_t, 32> key_{};
  std::array<uint8_t, 16> counter_{};
};

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

// PQClean publishes the SHA-256 of the first record of the response file that NIST's generator makes.
TEST(Sntrup761, The_first_record_of_the_NIST_response_file_has_the_published_hash) {
  std::array<uint8_t, 48> entropy;
  for (uint8_t i = 0; i < entropy.size(); ++i) entropy[i] = i;
  NistGenerator outer(entropy);
  std::array<uint8_t, 48> seed;
  outer(seed);
  NistGenerator generator(seed);
  const KemKeyPair pair = generate_from(std::ref(generator));
  const auto sent = encapsulate_from(pair.public_key, std::ref(generator));
  ASSERT_TRUE(sent);
  const std::string record = "count = 0\nseed = " + upper(to_hex(seed)) + "\npk = " + upper(to_hex(pair.public_key)) +
                             "\nsk = " + upper(to_hex(pair.secret_key.view())) +
                             "\nct = " + upper(to_hex(sent->ciphertext)) +
                             "\nss = " + upper(to_hex(sent->shared.view())) + "\n";
  EXPECT_EQ(hash_hex(HashId::sha256, bytes_of(record)),
            "afc42c3a5b10f4ef69654250097ebda9b9564570f4086744b24a6daf2bd1f89a");
}

TEST(Sntrup761, Both_sides_get_the_same_secret_from_random_keys) {
  for (int i = 0; i < 20; ++i) {
    const KemKeyPair pair = generate();
    const auto sent = encapsulate(pair.public_key);
    ASSERT_TRUE(sent);
    EXPECT_EQ(shared_hex(pair.secret_key, sent->ciphertext), to_hex(sent->shared.view()));
  }
}

TEST(Sntrup761, A_flipped_bit_anywhere_gives_another_secret_that_stays_the_same) {
  const KemKeyPair pair = generate();
  auto sent = encapsulate(pair.public_key);
  ASSERT_TRUE(sent);
  for (size_t at : {size_t{0}, size_t{500}, kRoundedSize - 1, kRoundedSize, kCiphertextSize - 1}) {
    sent->ciphertext[at] ^= 0x40;
    const std::string rejected = shared_hex(pair.secret_key, sent->ciphertext);
    EXPECT_NE(rejected, to_hex(sent->shared.view())) << at;
    EXPECT_EQ(rejected, shared_hex(pair.secret_key, sent->ciphertext)) << at;
    sent->ciphertext[at] ^= 0x40;
  }
}

TEST(Sntrup761, Any_bytes_of_the_right_length_are_decapsulated) {
  const KemKeyPair pair = generate();
  std::vector<uint8_t> ciphertext(kCiphertextSize, 0xff);
  EXPECT_TRUE(decapsulate(pair.secret_key, ciphertext));
  EXPECT_TRUE(encapsulate(std::vector<uint8_t>(kPublicKeySize, 0xff)));
  CheapRandom random(761);
  for (int i = 0; i < 20; ++i) {
    random.fill(ciphertext);
    EXPECT_TRUE(decapsulate(pair.secret_key, ciphertext));
  }
}

TEST(Sntrup761, Wrong_lengths_are_malformed) {
  const KemKeyPair pair = generate();
  for (size_t size : {size_t{0}, kPublicKeySize - 1, kPublicKeySize + 1}) {
    EXPECT_EQ(encapsulate(std::vector<uint8_t>(size)).error(), ErrorCode::malformed_message);
  }
  for (size_t size : {size_t{0}, kCiphertextSize - 1, kCiphertextSize + 1}) {
    EXPECT_EQ(decapsulate(pair.secret_key, std::vector<uint8_t>(size)).error(), ErrorCode::malformed_message);
  }
}

TEST(Sntrup761Ring, Sorting_agrees_with_the_standard_library) {
  CheapRandom random(17);
  for (int round = 0; round < 20; ++round) {
    std::array<uint32_t, kP> values;
    for (uint32_t& value : values)
      value = static_cast<uint32_t>(random.next() >> 32) & (round < 10 ? ~0u : 0x80000007u);
    auto expected = values;
    std::sort(expected.begin(), expected.end());
    sort(values);
    EXPECT_EQ(values, expected);
  }
}

Small random_small(CheapRandom& random) {
  Small a;
  for (int8_t& c : a.c) c = static_cast<int8_t>(static_cast<int>(random.below(3)) - 1);
  return a;
}

TEST(Sntrup761Ring, An_inverse_times_its_polynomial_is_one) {
  CheapRandom random(3);
  int inverted = 0;
  for (int round = 0; round < 10; ++round) {
    const Small a = random_small(random);
    Small inverse;
    if (invert(inverse, a)) {
      ++inverted;
      Small one{};
      one.c[0] = 1;
      Small product;
      multiply(product, a, inverse);
      EXPECT_EQ(product.c, one.c);
    }
    Big third;
    invert_triple(third, a);
    Big product;
    multiply(product, third, a);
    triple(product);
    Big one{};
    one.c[0] = 1;
    EXPECT_EQ(product.c, one.c);
  }
  EXPECT_GT(inverted, 0);
}

TEST(Sntrup761Ring, A_polynomial_that_shares_a_factor_with_the_modulus_has_no_inverse_modulo_3) {
  Small zero{};
  Small inverse;
  EXPECT_FALSE(invert(inverse, zero));
}

TEST(Sntrup761Ring, Multiplication_agrees_with_the_schoolbook_at_the_extremes) {
  CheapRandom random(5);
  for (int round = 0; round < 6; ++round) {
    Big a;
    Small b;
    for (size_t i = 0; i < kP; ++i) {
      a.c[i] = round == 0   ? int16_t{2295}
               : round == 1 ? int16_t{-2295}
                            : static_cast<int16_t>(random.below(4591) - 2295);
      b.c[i] = round < 2 ? int8_t{1} : static_cast<int8_t>(static_cast<int>(random.below(3)) - 1);
    }
    std::array<int64_t, 2 * kP> sums{};
    for (size_t i = 0; i < kP; ++i) {
      for (size_t j = 0; j < kP; ++j) sums[i + j] += a.c[i] * b.c[j];
    }
    for (size_t i = 2 * kP - 1; i >= kP; --i) {
      sums[i - kP] += sums[i];
      sums[i - kP + 1] += sums[i];
    }
    Big product;
    multiply(product, a, b);
    for (size_t i = 0; i < kP; ++i) {
      EXPECT_EQ((sums[i] - product.c[i]) % kQ, 0);
      EXPECT_LE(std::abs(product.c[i]), kQ / 2);
    }
  }
}

TEST(Sntrup761Codec, What_was_encoded_is_decoded) {
  CheapRandom random(11);
  Big a;
  Big rounded;
  for (size_t i = 0; i < kP; ++i) {
    a.c[i] = static_cast<int16_t>(static_cast<int>(random.below(4591)) - 2295);
    rounded.c[i] = static_cast<int16_t>(3 * static_cast<int>(random.below(1531)) - 2295);
  }
  const Small small = random_small(random);
  uint8_t bytes[kBigSize];
  Big back;
  encode(a, bytes);
  decode(back, bytes);
  EXPECT_EQ(a.c, back.c);
  encode_rounded(rounded, bytes);
  decode_rounded(back, bytes);
  EXPECT_EQ(rounded.c, back.c);
  Small small_back;
  encode(small, bytes);
  decode(small_back, bytes);
  EXPECT_EQ(small.c, small_back.c);
}

}  // namespace
}  // namespace sluice::sntrup761
