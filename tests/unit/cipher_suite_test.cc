// The table of suites.
#include "crypto_offload/cipher_suite.h"

#include <gtest/gtest.h>

#include <set>

namespace sluice {
namespace {

TEST(CipherSuite, Rows_have_their_index_as_id_and_names_of_their_own) {
  std::set<std::string> names;
  for (size_t i = 0; i < cipher_suites().size(); ++i) {
    EXPECT_EQ(cipher_suites()[i].id, i);
    EXPECT_TRUE(names.insert(cipher_suites()[i].name()).second) << cipher_suites()[i].name();
    EXPECT_EQ(find_suite(cipher_suites()[i].name()), &cipher_suites()[i]);
  }
}

TEST(CipherSuite, Negotiated_names_find_the_row) {
  EXPECT_EQ(find_suite("aes128-gcm@openssh.com", "")->name(), "aes128-gcm");
  EXPECT_EQ(find_suite("aes128-gcm@openssh.com", "hmac-sha1")->name(), "aes128-gcm");
  EXPECT_EQ(find_suite("aes256-ctr", "hmac-sha2-256-etm@openssh.com")->name(), "aes256-ctr+hmac-sha2-256-etm");
  EXPECT_EQ(find_suite("aes256-ctr", "hmac-unknown"), nullptr);
  EXPECT_EQ(find_suite("blowfish-cbc", "hmac-sha1"), nullptr);
}

TEST(CipherSuite, Legacy_is_known_but_off) {
  for (const CipherSuite& suite : cipher_suites()) {
    const bool legacy =
        suite.chained ||
        (suite.mac && (suite.mac->ssh_name == "hmac-sha1-96" || suite.mac->ssh_name.starts_with("hmac-md5")));
    if (!suite.negotiable) continue;
    EXPECT_EQ(suite.on_by_default, !legacy) << suite.name();
  }
}

TEST(CipherSuite, Limits_are_those_of_rfc_4344) {
  EXPECT_EQ(find_suite("aes128-gcm")->byte_limit, uint64_t{1} << 36);
  EXPECT_EQ(find_suite("chacha20-poly1305")->byte_limit, uint64_t{1} << 30);
  EXPECT_EQ(find_suite("3des-cbc+hmac-sha1")->byte_limit, uint64_t{1} << 30);
  EXPECT_EQ(find_suite("aes256-ctr+hmac-sha2-512")->record_limit, uint64_t{1} << 31);
}

TEST(CipherSuite, Record_lengths_pad_by_four_at_least_and_align_what_is_encrypted) {
  for (const CipherSuite& suite : cipher_suites()) {
    for (uint32_t payload = 1; payload < 600; ++payload) {
      const uint32_t length = record_length(suite, payload);
      const uint32_t padding = length - 5 - payload;
      ASSERT_GE(padding, 4u);
      ASSERT_LE(padding, 4u + suite.alignment - 1);
      ASSERT_EQ((length - suite.encrypted_from) % suite.alignment, 0u);
    }
    EXPECT_LE(record_length(suite, kMaxPayload) + 4, 65534u) << "a record with its number must be one HMAC job";
  }
}

}  // namespace
}  // namespace sluice
