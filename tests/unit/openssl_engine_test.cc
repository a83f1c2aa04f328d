// The openssl driver through an ENGINE: one made here, in the process, that lends out OpenSSL's own AES.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <gtest/gtest.h>
#include <openssl/engine.h>
#include <openssl/evp.h>

#include "drivers/openssl_driver.h"
#include "tests/support/run_ops.h"

namespace sluice::test {
namespace {

int g_asked = 0;

// Lists and lends AES-128-GCM and AES-256-CTR only.
int lend(ENGINE*, const EVP_CIPHER** cipher, const int** nids, int nid) {
  static const int kNids[] = {NID_aes_128_gcm, NID_aes_256_ctr};
  if (cipher == nullptr) {
    *nids = kNids;
    return 2;
  }
  ++g_asked;
  *cipher = nid == NID_aes_128_gcm ? EVP_aes_128_gcm() : nid == NID_aes_256_ctr ? EVP_aes_256_ctr() : nullptr;
  return *cipher != nullptr;
}

class OpenSslEngine : public testing::Test {
 protected:
  void SetUp() override {
    engine_ = ENGINE_new();
    ENGINE_set_id(engine_, "sluice_test");
    ENGINE_set_name(engine_, "lends AES");
    ENGINE_set_ciphers(engine_, lend);
    ASSERT_EQ(ENGINE_add(engine_), 1);
  }
  void TearDown() override {
    ENGINE_remove(engine_);
    ENGINE_free(engine_);
  }
  ENGINE* engine_ = nullptr;
};

TEST_F(OpenSslEngine, Serves_the_suites_whose_cipher_it_has_and_says_why_not_the_others) {
  auto driver = make_openssl_driver("sluice_test");
  ASSERT_TRUE(driver.has_value()) << driver.error();
  EXPECT_EQ((*driver)->name(), "openssl:sluice_test");
  EXPECT_TRUE((*driver)->supports(*find_suite("aes128-gcm")).yes);
  EXPECT_TRUE((*driver)->supports(*find_suite("aes256-ctr+hmac-sha2-256")).yes);
  const Support no = (*driver)->supports(*find_suite("aes256-gcm"));
  EXPECT_FALSE(no.yes);
  EXPECT_NE(no.reason.find("aes256-gcm@openssh.com"), std::string::npos);
}

TEST_F(OpenSslEngine, Its_records_are_those_of_the_default_implementation) {
  auto driver = make_openssl_driver("sluice_test");
  ASSERT_TRUE(driver.has_value()) << driver.error();
  for (const char* name : {"aes128-gcm", "aes256-ctr+hmac-sha2-512-etm"}) {
    const CipherSuite& suite = *find_suite(name);
    const ReferenceKeys keys = random_keys(suite, 8);
    const int before = g_asked;
    OpBench seal(**driver, suite, Direction::seal, keys);
    EXPECT_GT(g_asked, before) << "the engine was not asked for the cipher";
    std::vector<uint8_t> payload(5000, 3);
    const auto record = frame_payload(suite, payload);
    seal.add(record, 9, keys.iv, 0);
    seal.run();
    EXPECT_EQ(seal.result(0), reference_seal(suite, keys, 9, keys.iv, record)) << name;
  }
}

}  // namespace
}  // namespace sluice::test
