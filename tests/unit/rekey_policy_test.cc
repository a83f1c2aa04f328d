// When to rekey.
#include "dataplane/rekey_policy.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

const CipherSuite& gcm() { return *find_suite("aes128-gcm"); }
const CipherSuite& chacha() { return *find_suite("chacha20-poly1305"); }
constexpr uint64_t kMinute = uint64_t{60} * 1000000000u;

TEST(RekeyPolicy, A_fresh_key_is_kept) { EXPECT_EQ(rekey_advice(gcm(), {0, 0, 0}, {}), RekeyAdvice::keep); }

TEST(RekeyPolicy, Volume_time_and_records_each_suffice) {
  const RekeyLimits limits;
  EXPECT_EQ(rekey_advice(gcm(), {limits.volume_bytes - 1, 1, 0}, limits), RekeyAdvice::keep);
  EXPECT_EQ(rekey_advice(gcm(), {limits.volume_bytes, 1, 0}, limits), RekeyAdvice::rekey);
  EXPECT_EQ(rekey_advice(gcm(), {0, 0, 60 * kMinute - 1}, limits), RekeyAdvice::keep);
  EXPECT_EQ(rekey_advice(gcm(), {0, 0, 60 * kMinute}, limits), RekeyAdvice::rekey);
  EXPECT_EQ(rekey_advice(gcm(), {0, uint64_t{1} << 31, 0}, limits), RekeyAdvice::rekey);
}

TEST(RekeyPolicy, A_cipher_s_own_limit_counts_however_generous_the_operator_is) {
  RekeyLimits limits;
  limits.volume_bytes = ~uint64_t{0};
  limits.time_ns = ~uint64_t{0};
  limits.records = ~uint64_t{0};
  const uint64_t gib = uint64_t{1} << 30;
  EXPECT_EQ(rekey_advice(chacha(), {gib / 2, 1, 0}, limits), RekeyAdvice::keep);
  EXPECT_EQ(rekey_advice(chacha(), {gib / 4 * 3, 1, 0}, limits), RekeyAdvice::rekey);
  EXPECT_EQ(rekey_advice(chacha(), {gib, 1, 0}, limits), RekeyAdvice::refuse);
  EXPECT_EQ(rekey_advice(gcm(), {64 * gib, 1, 0}, limits), RekeyAdvice::refuse);
  EXPECT_EQ(rekey_advice(gcm(), {0, uint64_t{1} << 31, 0}, limits), RekeyAdvice::rekey);
  EXPECT_EQ(rekey_advice(gcm(), {0, (uint64_t{1} << 31) + (uint64_t{1} << 30), 0}, limits), RekeyAdvice::refuse);
}

TEST(RekeyPolicy, Before_keys_there_is_nothing_to_replace) {
  EXPECT_EQ(rekey_advice(plain_suite(), {~uint64_t{0}, ~uint64_t{0}, ~uint64_t{0}}, {}), RekeyAdvice::keep);
}

}  // namespace
}  // namespace sluice
