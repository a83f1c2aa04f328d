// The provider's HMAC against OpenSSL's own: every digest, lengths of keys and messages, chunkings, copies.
#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/params.h>

#include <random>

#include "tests/unit/engine/loaded_modules.h"

namespace sluice::test {
namespace {

using Buffer = std::vector<uint8_t>;

struct FreeMac {
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
};
using Mac = std::unique_ptr<EVP_MAC_CTX, FreeMac>;

Mac make(Way way) {
  // Loads both.
  start(way, "AES-128-CTR", true, Buffer(16), Buffer(16));
  EVP_MAC* mac = EVP_MAC_fetch(nullptr, "HMAC", way == Way::provider ? "provider=sluice" : "provider=default");
  EXPECT_NE(mac, nullptr);
  Mac made(EVP_MAC_CTX_new(mac));
  EVP_MAC_free(mac);
  return made;
}

std::array<OSSL_PARAM, 2> digest_param(const char* name) {
  return {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, const_cast<char*>(name), 0),
          OSSL_PARAM_construct_end()};
}

Buffer result(const Mac& mac) {
  Buffer out(64);
  size_t n = 0;
  if (EVP_MAC_final(mac.get(), out.data(), &n, out.size()) != 1) return {};
  out.resize(n);
  return out;
}

constexpr const char* kDigests[] = {"SHA1",    "SHA-224",     "SHA256",   "SHA2-384", "2.16.840.1.101.3.4.2.3",
                                    "SHA-512", "SHA-512/256", "SHA3-256", "MD5"};

TEST(Hmac, Is_the_default_s_for_every_digest_key_and_chunking) {
  std::mt19937_64 random(5);
  const auto bytes = [&](size_t n) {
    Buffer out(n);
    for (uint8_t& b : out) b = static_cast<uint8_t>(random());
    return out;
  };
  for (const char* digest : kDigests) {
    const Mac ours = make(Way::provider), theirs = make(Way::default_provider);
    for (int round = 0; round < 60; ++round) {
      const Buffer key = bytes(1 + random() % 300), text = bytes(random() % 700);
      const auto params = digest_param(digest);
      const size_t pieces = 1 + random() % 5;
      for (const Mac* mac : {&ours, &theirs}) {
        ASSERT_EQ(EVP_MAC_init(mac->get(), key.data(), key.size(), params.data()), 1) << digest;
        for (size_t i = 0; i < pieces; ++i) {
          const size_t from = text.size() * i / pieces, to = text.size() * (i + 1) / pieces;
          ASSERT_EQ(EVP_MAC_update(mac->get(), text.data() + from, to - from), 1);
        }
      }
      EXPECT_EQ(EVP_MAC_CTX_get_mac_size(ours.get()), EVP_MAC_CTX_get_mac_size(theirs.get())) << digest;
      EXPECT_EQ(EVP_MAC_CTX_get_block_size(ours.get()), EVP_MAC_CTX_get_block_size(theirs.get())) << digest;
      const Buffer tag = result(ours);
      EXPECT_FALSE(tag.empty());
      EXPECT_EQ(tag, result(theirs)) << digest << " " << key.size() << " " << text.size();
      // The same key again, as programs do that make many of them.
      for (const Mac* mac : {&ours, &theirs}) {
        ASSERT_EQ(EVP_MAC_init(mac->get(), nullptr, 0, nullptr), 1) << digest;
        ASSERT_EQ(EVP_MAC_update(mac->get(), text.data(), text.size()), 1);
      }
      EXPECT_EQ(tag, result(ours));
      EXPECT_EQ(tag, result(theirs));
    }
  }
}

TEST(Hmac, A_copy_made_within_a_message_goes_on_by_itself) {
  for (const char* digest : kDigests) {
    const Buffer key(20, 3), text(333, 9);
    const auto params = digest_param(digest);
    Mac first = make(Way::provider);
    ASSERT_EQ(EVP_MAC_init(first.get(), key.data(), key.size(), params.data()), 1);
    ASSERT_EQ(EVP_MAC_update(first.get(), text.data(), text.size()), 1);
    const Mac second(EVP_MAC_CTX_dup(first.get()));
    ASSERT_TRUE(second);
    ASSERT_EQ(EVP_MAC_update(first.get(), text.data(), 7), 1);
    ASSERT_EQ(EVP_MAC_update(second.get(), text.data(), 7), 1);
    const Buffer tag = result(first);
    first.reset();
    EXPECT_EQ(result(second), tag) << digest;
  }
}

TEST(Hmac, Changes_its_digest_and_takes_its_key_as_a_parameter) {
  Buffer key(40, 1);
  const Buffer text(100, 2);
  for (const char* before : kDigests) {
    for (const char* after : kDigests) {
      std::array<Buffer, 2> tags;
      size_t i = 0;
      for (const Way way : {Way::provider, Way::default_provider}) {
        const Mac mac = make(way);
        ASSERT_EQ(EVP_MAC_init(mac.get(), key.data(), key.size(), digest_param(before).data()), 1);
        ASSERT_EQ(EVP_MAC_update(mac.get(), text.data(), 10), 1);
        const OSSL_PARAM both[] = {digest_param(after)[0],
                                   OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.data(), 30),
                                   OSSL_PARAM_construct_end()};
        ASSERT_EQ(EVP_MAC_CTX_set_params(mac.get(), both), 1) << before << " " << after;
        ASSERT_EQ(EVP_MAC_init(mac.get(), nullptr, 0, nullptr), 1);
        ASSERT_EQ(EVP_MAC_update(mac.get(), text.data(), text.size()), 1);
        tags[i++] = result(mac);
      }
      EXPECT_EQ(tags[0], tags[1]) << before << " " << after;
      EXPECT_FALSE(tags[0].empty());
    }
  }
}

TEST(Hmac, Neither_begins_without_a_key_nor_with_a_digest_that_there_is_not) {
  const Mac mac = make(Way::provider);
  EXPECT_NE(EVP_MAC_init(mac.get(), nullptr, 0, nullptr), 1);
  EXPECT_NE(EVP_MAC_init(mac.get(), nullptr, 0, digest_param("SHA256").data()), 1);
  const Buffer key(20, 3);
  const Mac other = make(Way::provider);
  EXPECT_NE(EVP_MAC_init(other.get(), key.data(), key.size(), digest_param("ROT13").data()), 1);
  EXPECT_NE(EVP_MAC_init(other.get(), key.data(), key.size(), nullptr), 1);
  ERR_clear_error();
}

}  // namespace
}  // namespace sluice::test
