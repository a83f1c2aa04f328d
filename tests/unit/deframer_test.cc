// Finding records in a stream.
#include "dataplane/deframer.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

using Kind = Deframer::Kind;

const CipherSuite& gcm() { return *find_suite("aes128-gcm"); }
const CipherSuite& ctr() { return *find_suite("aes256-ctr+hmac-sha2-256"); }

std::array<uint8_t, 16> length_field(uint32_t n) {
  std::array<uint8_t, 16> bytes{};
  store_be32(bytes.data(), n);
  return bytes;
}

TEST(Deframer, Deframer_asks_for_four_bytes_before_length) {
  Deframer deframer(gcm());
  const auto bytes = length_field(32);
  for (size_t have = 0; have < 4; ++have) {
    const auto answer = deframer.next(have, bytes.data());
    EXPECT_EQ(answer.kind, Kind::need);
    EXPECT_EQ(answer.bytes, 4u);
  }
}

TEST(Deframer, Asks_for_the_whole_record_then_frames_it) {
  Deframer deframer(gcm());
  const auto bytes = length_field(32);
  for (size_t have = 4; have < 4 + 32 + 16; ++have) {
    const auto answer = deframer.next(have, bytes.data());
    ASSERT_EQ(answer.kind, Kind::need) << have;
    ASSERT_EQ(answer.bytes, 4u + 32 + 16);
  }
  const auto frame = deframer.next(1000, bytes.data());
  EXPECT_EQ(frame.kind, Kind::frame);
  EXPECT_EQ(frame.bytes, 52u);
  EXPECT_EQ(deframer.next(2, bytes.data()).bytes, 4u) << "the next record starts anew";
}

TEST(Deframer, Clear_lengths_out_of_bounds_or_alignment_are_refused_at_once) {
  for (const auto& [length, error] :
       {std::pair{0u, ErrorCode::record_too_long}, std::pair{4u, ErrorCode::record_too_long},
        std::pair{33u, ErrorCode::record_misaligned}, std::pair{kMaxRecordLength + 16, ErrorCode::record_too_long},
        std::pair{0xffffffffu, ErrorCode::record_too_long}}) {
    Deframer deframer(gcm());
    const auto bytes = length_field(length);
    const auto answer = deframer.next(16, bytes.data());
    EXPECT_EQ(answer.kind, Kind::corrupt) << length;
    EXPECT_EQ(answer.error, error) << length;
  }
}

TEST(Deframer, The_largest_record_is_accepted) {
  Deframer deframer(gcm());
  const auto bytes = length_field(kMaxRecordLength);
  EXPECT_EQ(deframer.next(16, bytes.data()).kind, Kind::need);
}

TEST(Deframer, A_stranger_cannot_make_us_wait_for_a_large_record) {
  Deframer deframer(plain_suite());
  const auto bytes = length_field(40004);
  const auto answer = deframer.next(16, bytes.data());
  EXPECT_EQ(answer.kind, Kind::corrupt);
  EXPECT_EQ(answer.error, ErrorCode::record_unencrypted_too_long);
}

TEST(Deframer, An_encrypted_length_is_asked_for_after_one_block) {
  Deframer deframer(ctr());
  const auto bytes = length_field(0);
  EXPECT_EQ(deframer.next(15, bytes.data()).bytes, 16u);
  const auto answer = deframer.next(16, bytes.data());
  EXPECT_EQ(answer.kind, Kind::length);
  deframer.give_length(28);
  EXPECT_FALSE(deframer.poisoned());
  EXPECT_EQ(deframer.next(16, bytes.data()).bytes, 4u + 28 + 32);
}

TEST(Deframer, An_impossible_encrypted_length_is_framed_as_the_largest_record) {
  for (const CipherSuite* suite :
       {&ctr(), find_suite("aes128-cbc+hmac-sha1"), find_suite("3des-cbc+hmac-md5"), find_suite("chacha20-poly1305")}) {
    for (const uint32_t length : {0u, 1u, 4u, 29u, kMaxRecordLength + 28, 0x80000000u, 0xffffffffu}) {
      Deframer deframer(*suite);
      const auto bytes = length_field(0);
      ASSERT_EQ(deframer.next(16, bytes.data()).kind, Kind::length);
      deframer.give_length(length);
      EXPECT_TRUE(deframer.poisoned()) << suite->name() << " " << length;
      const auto answer = deframer.next(16, bytes.data());
      EXPECT_EQ(answer.kind, Kind::need);
      EXPECT_EQ(answer.bytes, kMaxRecordLength + suite->encrypted_from + suite->tag_bytes);
    }
  }
}

}  // namespace
}  // namespace sluice
