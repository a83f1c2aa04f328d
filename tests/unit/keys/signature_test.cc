// Signatures of every family: made here and verified by openssl, by ourselves, by published vectors; damaged; and with
// what an authenticator says of itself.
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

#include <memory>

#include "base/wire.h"
#include "tests/unit/keys/outside.h"

namespace sluice {
namespace {

using test::from_hex;
using test::run;

constexpr std::string_view kData = "what is signed";

const PrivateKey& key_of(KeyType type) {
  static std::vector<std::pair<KeyType, PrivateKey>> keys;
  for (auto& [known, key] : keys)
    if (known == type) return key;
  auto made = PrivateKey::generate(type, type == KeyType::rsa ? 2048 : 0);
  if (!made) std::abort();
  keys.reserve(16);
  keys.emplace_back(type, std::move(*made));
  return keys.back().second;
}

class Signed : public testing::TestWithParam<const SignatureAlgorithm*> {
 protected:
  std::string_view name() const { return GetParam()->name; }
  const PrivateKey& key() const { return key_of(GetParam()->key_type); }
};

std::vector<const SignatureAlgorithm*> our_algorithms() {
  std::vector<const SignatureAlgorithm*> rows;
  for (const SignatureAlgorithm& row : all_signature_algorithms())
    if (!row_of(row.key_type).on_authenticator) rows.push_back(&row);
  return rows;
}

INSTANTIATE_TEST_SUITE_P(Signature, Signed, testing::ValuesIn(our_algorithms()), [](const auto& row) {
  std::string name(row.param->name);
  for (char& c : name)
    if (c == '-') c = '_';
  return name;
});

TEST_P(Signed, by_us_is_verified_by_us_and_for_nothing_else) {
  const auto signature = key().sign(name(), bytes_of(kData));
  ASSERT_TRUE(signature) << describe(signature.error());
  const PublicKey& half = key().public_key();
  EXPECT_TRUE(half.verify(*signature, name(), bytes_of(kData)));
  EXPECT_EQ(half.verify(*signature, name(), bytes_of("something else")).error(), KeyError::bad_signature);
  const auto other = PrivateKey::generate(GetParam()->key_type, 0);
  ASSERT_TRUE(other);
  EXPECT_FALSE(other->public_key().verify(*signature, name(), bytes_of(kData)));
}

TEST_P(Signed, is_refused_under_another_algorithm_than_the_one_agreed) {
  const auto signature = key().sign(name(), bytes_of(kData));
  ASSERT_TRUE(signature);
  for (const SignatureAlgorithm& other : all_signature_algorithms()) {
    if (other.name == name()) continue;
    const auto verdict = key().public_key().verify(*signature, other.name, bytes_of(kData));
    ASSERT_FALSE(verdict);
    EXPECT_EQ(verdict.error(),
              other.key_type == GetParam()->key_type ? KeyError::algorithm_mismatch : KeyError::algorithm_not_of_key);
  }
  EXPECT_EQ(key().public_key().verify(*signature, "none", bytes_of(kData)).error(), KeyError::unknown_algorithm);
}

TEST_P(Signed, with_any_byte_cut_or_bent_is_refused) {
  const auto signature = key().sign(name(), bytes_of(kData));
  ASSERT_TRUE(signature);
  test::for_each_damage(*signature, 1,
                        [&](Bytes bent) { EXPECT_FALSE(key().public_key().verify(bent, name(), bytes_of(kData))); });
  std::vector<uint8_t> longer = *signature;
  longer.push_back(0);
  EXPECT_EQ(key().public_key().verify(longer, name(), bytes_of(kData)).error(), KeyError::trailing_bytes);
}

struct FreeFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

std::string der_integer(Bytes magnitude) {
  while (magnitude.size() > 1 && magnitude[0] == 0) magnitude = magnitude.subspan(1);
  std::string content(text_of(magnitude));
  if (magnitude[0] & 0x80) content.insert(0, 1, '\0');
  return std::string("\x02") + static_cast<char>(content.size()) + content;
}

// The body of a signature as openssl wants it.
std::string der_form(KeyType type, Bytes body) {
  std::string content;
  if (row_of(type).curve) {
    WireReader pair(body);
    content = der_integer(pair.mpint());
    content += der_integer(pair.mpint());
  } else if (type == KeyType::dsa) {
    content = der_integer(body.first(20)) + der_integer(body.last(20));
  } else {
    return std::string(text_of(body));
  }
  std::string der = content.size() < 128 ? std::string("\x30") : std::string("\x30\x81");
  der += static_cast<char>(content.size());
  return der + content;
}

TEST_P(Signed, by_us_is_verified_by_openssl) {
  test::TemporaryFolder folder;
  const auto signature = key().sign(name(), bytes_of(kData));
  ASSERT_TRUE(signature);
  WireReader frame(*signature);
  EXPECT_EQ(frame.text(), name());
  const Bytes body = frame.string();
  ASSERT_TRUE(frame.ok() && frame.at_end());
  test::write_text(folder / "sig", der_form(GetParam()->key_type, body));
  test::write_text(folder / "data", kData);
  {
    const std::unique_ptr<std::FILE, FreeFile> file(std::fopen((folder / "pub").c_str(), "w"));
    ASSERT_EQ(PEM_write_PUBKEY(file.get(), key().public_key().libcrypto_key()), 1);
  }
  constexpr const char* kDigests[] = {"", "-digest sha1", "-digest sha256", "-digest sha384", "-digest sha512"};
  const auto outcome =
      run("openssl pkeyutl -verify -rawin -pubin -inkey " + (folder / "pub") + " -sigfile " + (folder / "sig") +
          " -in " + (folder / "data") + " " + kDigests[static_cast<size_t>(GetParam()->digest)]);
  EXPECT_EQ(outcome.status, 0) << outcome.output;
}

TEST(Signature, of_rsa_that_lost_its_leading_zeros_is_accepted_and_a_longer_one_is_not) {
  const PrivateKey& key = key_of(KeyType::rsa);
  for (int i = 0; i < 5000; ++i) {
    const std::string data = "try " + std::to_string(i);
    const auto signature = key.sign("rsa-sha2-256", bytes_of(data));
    ASSERT_TRUE(signature);
    WireReader frame(*signature);
    frame.string();
    const Bytes body = frame.string();
    if (body[0] != 0) continue;
    const auto stripped = WireWriter().string("rsa-sha2-256").string(body.subspan(1)).take();
    EXPECT_TRUE(key.public_key().verify(stripped, "rsa-sha2-256", bytes_of(data)));
    std::vector<uint8_t> longer(1, 0);
    longer.insert(longer.end(), body.begin(), body.end());
    const auto padded = WireWriter().string("rsa-sha2-256").string(longer).take();
    EXPECT_FALSE(key.public_key().verify(padded, "rsa-sha2-256", bytes_of(data)));
    return;
  }
  FAIL() << "one signature in 256 begins with a zero";
}

TEST(Signature, of_ecdsa_with_r_or_s_out_of_range_is_refused) {
  const PublicKey& half = key_of(KeyType::ecdsa_nistp256).public_key();
  const auto order = from_hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
  const std::vector<uint8_t> one{1};
  const std::vector<uint8_t> zero;
  const std::pair<std::vector<uint8_t>, std::vector<uint8_t>> cases[] = {
      {zero, one}, {one, zero}, {order, one}, {one, order}, {zero, zero}};
  for (const auto& [r, s] : cases) {
    const auto body = WireWriter().mpint(r).mpint(s).take();
    const auto signature = WireWriter().string("ecdsa-sha2-nistp256").string(body).take();
    EXPECT_EQ(half.verify(signature, "ecdsa-sha2-nistp256", bytes_of(kData)).error(), KeyError::bad_signature);
  }
}

// RFC 8032 section 7.1, tests 1 to 3.
TEST(Signature, of_ed25519_is_that_of_rfc8032) {
  struct Vector {
    std::string_view secret, half, message, signature;
  };
  constexpr Vector kVectors[] = {
      {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
       "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
       "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe2"
       "4655141438e7a100b"},
      {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
       "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
       "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302ae"
       "eb00d291612bb0c00"},
      {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
       "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
       "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28"
       "dc027beceea1ec40a"},
  };
  for (const Vector& vector : kVectors) {
    const auto half = from_hex(vector.half);
    auto secret = from_hex(vector.secret);
    secret.insert(secret.end(), half.begin(), half.end());
    const auto fields = WireWriter().string("ssh-ed25519").string(half).string(secret).take();
    WireReader reader(fields);
    const auto key = PrivateKey::parse(reader);
    ASSERT_TRUE(key) << describe(key.error());
    const auto message = from_hex(vector.message);
    const auto signature = key->sign("ssh-ed25519", message);
    ASSERT_TRUE(signature);
    EXPECT_EQ(*signature, WireWriter().string("ssh-ed25519").string(from_hex(vector.signature)).take());
    EXPECT_TRUE(key->public_key().verify(*signature, "ssh-ed25519", message));
  }
}

// An authenticator of software: what a FIDO device would sign with this key, flags and counter (PROTOCOL.u2f).
std::vector<uint8_t> touch(const PrivateKey& key, std::string_view algorithm, std::string_view application,
                           std::string_view data, uint8_t flags, uint32_t counter) {
  uint8_t hash[32];
  WireWriter message;
  SHA256(bytes_of(application).data(), application.size(), hash);
  message.raw(hash).u8(flags).u32(counter);
  SHA256(bytes_of(data).data(), data.size(), hash);
  message.raw(hash);
  const auto plain = key.sign(key.public_key().type_name(), message.view());
  WireReader frame(*plain);
  frame.string();
  return WireWriter().string(algorithm).string(frame.string()).u8(flags).u32(counter).take();
}

class Authenticator : public testing::TestWithParam<KeyType> {};
INSTANTIATE_TEST_SUITE_P(Signature, Authenticator, testing::Values(KeyType::sk_ed25519, KeyType::sk_ecdsa_nistp256),
                         [](const auto& row) { return row.param == KeyType::sk_ed25519 ? "ed25519" : "ecdsa"; });

TEST_P(Authenticator, flags_decide_only_after_its_signature_is_good) {
  const KeyTypeRow& row = row_of(GetParam());
  const PrivateKey& key = key_of(row.curve ? KeyType::ecdsa_nistp256 : KeyType::ed25519);
  WireWriter blob;
  blob.string(row.name);
  if (row.curve) blob.string(row.curve->name);
  blob.string(key.public_key().material()).string("ssh:");
  const auto half = PublicKey::parse(blob.view());
  ASSERT_TRUE(half) << describe(half.error());
  EXPECT_EQ(half->application(), "ssh:");

  const auto touched = touch(key, row.name, "ssh:", kData, 1, 77);
  const auto facts = half->verify(touched, row.name, bytes_of(kData));
  ASSERT_TRUE(facts) << describe(facts.error());
  EXPECT_EQ(facts->flags, 1);
  EXPECT_EQ(facts->counter, 77u);
  const TouchPolicy verified{.presence_required = true, .verification_required = true};
  EXPECT_EQ(half->verify(touched, row.name, bytes_of(kData), verified).error(), KeyError::verification_missing);
  EXPECT_TRUE(half->verify(touch(key, row.name, "ssh:", kData, 5, 1), row.name, bytes_of(kData), verified));

  const auto untouched = touch(key, row.name, "ssh:", kData, 0, 78);
  EXPECT_EQ(half->verify(untouched, row.name, bytes_of(kData)).error(), KeyError::presence_missing);
  EXPECT_TRUE(half->verify(untouched, row.name, bytes_of(kData), {.presence_required = false}));

  EXPECT_EQ(half->verify(touch(key, row.name, "web:", kData, 1, 1), row.name, bytes_of(kData)).error(),
            KeyError::bad_signature);
  test::for_each_damage(touched, 1, [&](Bytes bent) { EXPECT_FALSE(half->verify(bent, row.name, bytes_of(kData))); });
  EXPECT_EQ(PublicKey::parse(blob.view().first(blob.size() - 1)).error(), KeyError::malformed);
}

}  // namespace
}  // namespace sluice
