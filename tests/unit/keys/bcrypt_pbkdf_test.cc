// bcrypt_pbkdf against published vectors, Blowfish's tables against pi.
#include "control/keys/bcrypt_pbkdf.h"

#include <gtest/gtest.h>
#include <openssl/bn.h>

#include <memory>
#include <vector>

#include "control/keys/blowfish.h"
#include "tests/unit/keys/outside.h"

namespace sluice {
namespace {

struct FreeNumber {
  void operator()(BIGNUM* n) const { BN_free(n); }
};
using Number = std::unique_ptr<BIGNUM, FreeNumber>;

// scale * arctan(1 / x), by its series.
Number arctangent(BN_ULONG x, const BIGNUM* scale) {
  Number term(BN_dup(scale));
  BN_div_word(term.get(), x);
  Number sum(BN_dup(term.get()));
  Number part(BN_new());
  for (BN_ULONG n = 3; !BN_is_zero(term.get()); n += 2) {
    BN_div_word(term.get(), x * x);
    BN_copy(part.get(), term.get());
    BN_div_word(part.get(), n);
    if (n % 4 == 3)
      BN_sub(sum.get(), sum.get(), part.get());
    else
      BN_add(sum.get(), sum.get(), part.get());
  }
  return sum;
}

TEST(Blowfish, starts_from_the_fraction_of_pi) {
  constexpr int kGuardBits = 64;
  constexpr int kBits = static_cast<int>(kBlowfishWords) * 32;
  Number scale(BN_new());
  BN_set_bit(scale.get(), kBits + kGuardBits);
  // Machin: pi = 16 arctan(1/5) - 4 arctan(1/239).
  Number pi = arctangent(5, scale.get());
  const Number rest = arctangent(239, scale.get());
  BN_mul_word(pi.get(), 4);
  BN_sub(pi.get(), pi.get(), rest.get());
  BN_mul_word(pi.get(), 4);
  BN_rshift(pi.get(), pi.get(), kGuardBits);
  BN_mask_bits(pi.get(), kBits);
  std::vector<uint8_t> fraction(kBlowfishWords * 4);
  ASSERT_GT(BN_bn2binpad(pi.get(), fraction.data(), static_cast<int>(fraction.size())), 0);
  for (size_t i = 0; i < kBlowfishWords; ++i) ASSERT_EQ(load_be32(fraction.data() + 4 * i), kPiFraction[i]) << i;
}

TEST(Blowfish, answers_the_published_zero_vector) {
  Blowfish cipher;
  const uint8_t zero_key[8] = {};
  cipher.expand(Bytes(zero_key));
  uint32_t left = 0;
  uint32_t right = 0;
  cipher.encrypt(left, right);
  EXPECT_EQ(left, 0x4ef99745u);
  EXPECT_EQ(right, 0x6198dd78u);
}

struct Vector {
  std::string_view passphrase;
  std::string_view salt;
  uint32_t rounds;
  std::string_view out;
};

TEST(BcryptPbkdf, answers_the_published_vectors) {
  constexpr Vector kVectors[] = {
      {"password", "salt", 4, "5bbf0cc293587f1c3635555c27796598d47e579071bf427e9d8fbe842aba34d9"},
      {"password", std::string_view("\0", 1), 4, "c12b566235eee04c212598970a579a67"},
      {std::string_view("\0", 1), "salt", 4, "6051be18c2f4f82cbf0efee5471b4bb9"},
      {std::string_view("password\0", 9), std::string_view("salt\0", 5), 4,
       "7410e44cf4fa07bfaac8a928b1727fac001375e7bf7384370f48efd121743050"},
      {std::string_view("pass\0wor", 8), std::string_view("sa\0l", 4), 4, "c2bffd9db38f6569efef4372f4de83c0"},
      {"password", "salt", 8,
       "e1367ec5151a33faac4cc1c144cd23fa15d5548493ecc99b9b5d9c0d3b27bec76227ea66088b849b20ab7aa478010246e74bba51723fefa"
       "9f9474d6508845e8d"},
      {"password", "salt", 42, "833cf0dcf56db65608e8f0dc0ce882bd"},
  };
  for (const Vector& vector : kVectors) {
    const auto expected = test::from_hex(vector.out);
    std::vector<uint8_t> out(expected.size());
    ASSERT_TRUE(bcrypt_pbkdf(bytes_of(vector.passphrase), bytes_of(vector.salt), vector.rounds, out));
    EXPECT_EQ(out, expected) << vector.rounds << " " << vector.passphrase;
  }
}

TEST(BcryptPbkdf, has_no_answer_for_empty_inputs) {
  std::vector<uint8_t> out(32);
  EXPECT_FALSE(bcrypt_pbkdf({}, bytes_of("salt"), 1, out));
  EXPECT_FALSE(bcrypt_pbkdf(bytes_of("p"), {}, 1, out));
  EXPECT_FALSE(bcrypt_pbkdf(bytes_of("p"), bytes_of("salt"), 0, out));
  EXPECT_FALSE(bcrypt_pbkdf(bytes_of("p"), bytes_of("salt"), 1, MutableBytes(out).first(0)));
}

}  // namespace
}  // namespace sluice
