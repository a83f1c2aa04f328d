// Public key blobs and texts, against ssh-keygen.
#include "control/keys/public_key.h"

#include "base/wire.h"
#include "control/keys/base64.h"
#include "control/keys/fingerprint.h"
#include "control/keys/public_key_text.h"
#include "tests/unit/keys/outside.h"

namespace sluice {
namespace {

using test::run;

struct Kind {
  const char* options;
  KeyType type;
  unsigned bits;
};

constexpr Kind kKinds[] = {{"-t ed25519", KeyType::ed25519, 256},
                           {"-t ecdsa -b 256", KeyType::ecdsa_nistp256, 256},
                           {"-t ecdsa -b 384", KeyType::ecdsa_nistp384, 384},
                           {"-t ecdsa -b 521", KeyType::ecdsa_nistp521, 521},
                           {"-t rsa -b 2048", KeyType::rsa, 2048},
                           {"-t dsa", KeyType::dsa, 1024}};

class Made : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    const auto made =
        run(std::string("ssh-keygen -q -N '' -C 'a comment' -f ") + (folder_ / "k ") + GetParam().options);
    ASSERT_EQ(made.status, 0) << made.output;
    line_ = test::trimmed_end(test::read_text(folder_ / "k.pub"));
    const auto key = parse_public_key_line(line_);
    ASSERT_TRUE(key) << describe(key.error());
    key_ = key->key;
    comment_ = key->comment;
  }

  test::TemporaryFolder folder_;
  std::string line_;
  std::optional<PublicKey> key_;
  std::string comment_;
};

INSTANTIATE_TEST_SUITE_P(PublicKey, Made, testing::ValuesIn(kKinds),
                         [](const auto& row) { return std::to_string(static_cast<int>(row.param.type)); });

TEST_P(Made, has_type_bits_and_comment_of_ssh_keygen) {
  EXPECT_EQ(key_->type(), GetParam().type);
  EXPECT_EQ(key_->bits(), GetParam().bits);
  EXPECT_EQ(comment_, "a comment");
  EXPECT_EQ(to_text(*key_, comment_), line_);
}

TEST_P(Made, has_the_fingerprints_of_ssh_keygen) {
  const auto sha256 = run("ssh-keygen -lf " + (folder_ / "k.pub"));
  EXPECT_EQ(test::trimmed_end(sha256.output), describe_key(*key_, comment_));
  const auto md5 = run("ssh-keygen -E md5 -lf " + (folder_ / "k.pub"));
  EXPECT_NE(md5.output.find(" " + md5_fingerprint(*key_) + " "), std::string::npos) << md5.output;
  EXPECT_TRUE(matches_key_hash(*key_, md5_fingerprint(*key_).substr(4)));
  EXPECT_TRUE(matches_key_hash(*key_, key_hash(*key_)));
  EXPECT_FALSE(matches_key_hash(*key_, key_hash(*key_).substr(1)));
}

TEST_P(Made, draws_the_picture_of_ssh_keygen) {
  const auto drawn = run("ssh-keygen -lvf " + (folder_ / "k.pub"));
  EXPECT_EQ(test::trimmed_end(drawn.output.substr(drawn.output.find('\n') + 1)), test::trimmed_end(randomart(*key_)));
}

TEST_P(Made, is_read_from_rfc4716_and_bare_and_wrapped_forms) {
  const auto exported = run("ssh-keygen -e -m RFC4716 -f " + (folder_ / "k.pub"));
  ASSERT_EQ(exported.status, 0);
  const auto from_rfc4716 = parse_rfc4716(exported.output);
  ASSERT_TRUE(from_rfc4716) << describe(from_rfc4716.error());
  EXPECT_EQ(from_rfc4716->key, *key_);
  EXPECT_NE(from_rfc4716->comment.find("from OpenSSH"), std::string::npos) << from_rfc4716->comment;

  const std::string base64 = base64_encode(key_->blob());
  std::string wrapped = std::string(key_->type_name()) + " ";
  for (size_t at = 0; at < base64.size(); at += 30) wrapped += base64.substr(at, 30) + "\r\n";
  for (const std::string& text : {exported.output, line_ + "\n", base64, wrapped}) {
    const auto read = read_public_key(bytes_of(text));
    ASSERT_TRUE(read) << describe(read.error()) << text;
    EXPECT_EQ(read->key, *key_);
  }
  const auto binary = read_public_key(key_->blob());
  ASSERT_TRUE(binary);
  EXPECT_EQ(binary->key, *key_);
}

TEST_P(Made, with_any_byte_cut_or_bent_never_harms) {
  test::for_each_damage(key_->blob(), 1, [](Bytes blob) {
    const auto parsed = PublicKey::parse(blob);
    if (parsed) (void)describe_key(*parsed, "");
  });
  test::for_each_damage(bytes_of(line_), 1, [](Bytes line) { (void)parse_public_key_line(text_of(line)); });
}

TEST_P(Made, with_a_byte_more_is_refused) {
  std::vector<uint8_t> longer(key_->blob().begin(), key_->blob().end());
  longer.push_back(0);
  EXPECT_EQ(PublicKey::parse(longer).error(), KeyError::trailing_bytes);
}

std::vector<uint8_t> rsa_blob(size_t bits, uint32_t exponent) {
  std::vector<uint8_t> modulus(bits / 8, 0xff);
  uint8_t e[4];
  store_be32(e, exponent);
  return WireWriter().string("ssh-rsa").mpint(Bytes(e)).mpint(modulus).take();
}

TEST(PublicKey, refuses_rsa_below_the_configured_length_and_below_the_floor) {
  EXPECT_EQ(PublicKey::parse(rsa_blob(1024, 65537)).error(), KeyError::key_too_short);
  EXPECT_TRUE(PublicKey::parse(rsa_blob(1024, 65537), {.min_rsa_bits = 1024}));
  EXPECT_EQ(PublicKey::parse(rsa_blob(768, 65537), {.min_rsa_bits = 512}).error(), KeyError::key_too_short);
  EXPECT_TRUE(PublicKey::parse(rsa_blob(16384, 65537)));
  EXPECT_EQ(PublicKey::parse(rsa_blob(16392, 65537)).error(), KeyError::key_too_long);
}

TEST(PublicKey, refuses_exponents_that_are_no_exponents) {
  for (const uint32_t exponent : {0u, 1u, 2u, 65536u})
    EXPECT_EQ(PublicKey::parse(rsa_blob(2048, exponent)).error(), KeyError::bad_parameters) << exponent;
  const std::vector<uint8_t> long_exponent(9, 0x11);
  const std::vector<uint8_t> modulus(256, 0xff);
  EXPECT_EQ(PublicKey::parse(WireWriter().string("ssh-rsa").mpint(long_exponent).mpint(modulus).view()).error(),
            KeyError::bad_parameters);
}

TEST(PublicKey, refuses_a_curve_that_its_type_does_not_name) {
  const auto key = PrivateKey::generate(KeyType::ecdsa_nistp256);
  ASSERT_TRUE(key);
  const Bytes point = key->public_key().material();
  WireWriter other;
  other.string("ecdsa-sha2-nistp256").string("nistp384").string(point);
  EXPECT_EQ(PublicKey::parse(other.view()).error(), KeyError::curve_mismatch);
}

TEST(PublicKey, refuses_points_off_the_curve_compressed_or_at_infinity) {
  const auto key = PrivateKey::generate(KeyType::ecdsa_nistp256);
  ASSERT_TRUE(key);
  const Bytes good = key->public_key().material();
  std::vector<uint8_t> off(good.begin(), good.end());
  off.back() ^= 1;
  std::vector<uint8_t> compressed(good.begin(), good.begin() + 33);
  compressed[0] = 2;
  const std::vector<uint8_t> infinity{0};
  std::vector<uint8_t> zeros(65, 0);
  zeros[0] = 4;
  for (const auto& point : {off, compressed, infinity, zeros, std::vector<uint8_t>{}}) {
    WireWriter blob;
    blob.string("ecdsa-sha2-nistp256").string("nistp256").string(point);
    EXPECT_EQ(PublicKey::parse(blob.view()).error(), KeyError::invalid_point);
  }
}

TEST(PublicKey, refuses_unknown_types_and_wrong_lengths) {
  EXPECT_EQ(PublicKey::parse(WireWriter().string("ssh-ed448").view()).error(), KeyError::unknown_type);
  EXPECT_EQ(PublicKey::parse(WireWriter().string("ssh-ed25519").string("short").view()).error(), KeyError::malformed);
  EXPECT_EQ(PublicKey::parse({}).error(), KeyError::malformed);
}

TEST(PublicKey, whose_text_names_another_type_than_its_blob_is_refused) {
  const auto key = PrivateKey::generate(KeyType::ed25519);
  ASSERT_TRUE(key);
  const std::string base64 = base64_encode(key->public_key().blob());
  EXPECT_TRUE(parse_public_key_line("ssh-ed25519 " + base64));
  EXPECT_EQ(parse_public_key_line("ssh-rsa " + base64).error(), KeyError::malformed);
}

TEST(PublicKey, in_rfc4716_may_have_other_headers_and_continued_ones) {
  const auto key = PrivateKey::generate(KeyType::ed25519);
  ASSERT_TRUE(key);
  const std::string base64 = base64_encode(key->public_key().blob());
  const std::string text =
      "---- BEGIN SSH2 PUBLIC KEY ----\r\nSubject: me\r\nx-private: a\\\r\nb\r\nCOMMENT: \"one \\\r\ntwo\"\r\n" +
      base64.substr(0, 40) + "\r\n" + base64.substr(40) + "\r\n---- END SSH2 PUBLIC KEY ----\r\n";
  const auto read = parse_rfc4716(text);
  ASSERT_TRUE(read) << describe(read.error());
  EXPECT_EQ(read->comment, "one two");
  EXPECT_EQ(read->key, key->public_key());
  test::for_each_damage(bytes_of(text), 1, [](Bytes bent) { (void)read_public_key(bent); });
}

TEST(KeyTypes, every_algorithm_has_a_type_and_the_weak_ones_are_off) {
  for (const SignatureAlgorithm& row : all_signature_algorithms()) {
    EXPECT_EQ(find_signature_algorithm(row.name), &row);
    EXPECT_EQ(row.on_by_default, row.digest != SignatureDigest::sha1) << row.name;
  }
  for (const KeyTypeRow& row : all_key_types()) {
    EXPECT_EQ(find_key_type(row.name), &row);
    EXPECT_EQ(find_key_type_by_store_name(row.store_name), &row);
    EXPECT_EQ(&row_of(row.type), &row);
  }
  EXPECT_EQ(preferred_algorithm(KeyType::rsa)->name, "rsa-sha2-512");
  EXPECT_EQ(preferred_algorithm(KeyType::dsa), nullptr);
}

TEST(Base64, is_strict_and_returns_what_went_in) {
  for (size_t n = 0; n < 70; ++n) {
    std::vector<uint8_t> bytes(n);
    for (size_t i = 0; i < n; ++i) bytes[i] = static_cast<uint8_t>(i * 37 + n);
    const std::string text = base64_encode(bytes);
    ASSERT_EQ(base64_decode(text), bytes);
  }
  EXPECT_EQ(base64_encode(bytes_of("foobar")), "Zm9vYmFy");
  EXPECT_EQ(base64_encode(bytes_of("fooba")), "Zm9vYmE=");
  for (const char* bad : {"Zg", "Zg=", "Zh==", "Z===", "====", "Zm9=", "Zg==Zg==", "Zm 9", "Zm9v\n", "Zm9*", "=m9v"})
    EXPECT_FALSE(base64_decode(bad)) << bad;
}

}  // namespace
}  // namespace sluice
