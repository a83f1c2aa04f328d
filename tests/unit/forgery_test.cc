// Records that were tampered with: every single flipped bit is refused, with no byte of plaintext to be seen.
#include <gtest/gtest.h>

#include "tests/support/record_pair.h"
#include "tests/support/run_ops.h"

namespace sluice::test {
namespace {

class Forgery : public testing::TestWithParam<size_t> {
 protected:
  const CipherSuite& suite() const { return cipher_suites()[GetParam()]; }
};

// Drivers whose tag comparison differs; the delayed ones share it.
std::vector<DriverUnderTest> checking_drivers() {
  std::vector<DriverUnderTest> out;
  for (const auto& driver : drivers_under_test()) {
    if (driver.name.find("in_place") == std::string::npos) out.push_back(driver);
  }
  return out;
}

TEST_P(Forgery, Every_flipped_bit_of_a_record_is_refused_and_its_plaintext_wiped) {
  const ReferenceKeys keys = random_keys(suite(), 2);
  const auto record = frame_payload(suite(), data_payload(20, 1));
  const auto wire = reference_seal(suite(), keys, 77, keys.iv, record);
  for (const DriverUnderTest& under_test : checking_drivers()) {
    if (!under_test.serves(suite())) continue;
    const auto driver = under_test.make();
    OpBench open(*driver, suite(), Direction::open, keys);
    for (size_t bit = 0; bit < 8 * wire.size(); ++bit) {
      auto forged = wire;
      forged[bit / 8] = static_cast<uint8_t>(forged[bit / 8] ^ (1u << (bit % 8)));
      open.add(forged, 77, keys.iv, bit % 16);
      if (open.size() < 40 && bit + 1 < 8 * wire.size()) continue;
      // One good record among the forged ones, so that lanes hold both.
      open.add(wire, 77, keys.iv, 3);
      open.run();
      for (size_t i = 0; i + 1 < open.size(); ++i) {
        // A bit of an encrypted or authenticated length that the op carries apart is refused by the tag as well.
        ASSERT_EQ(open.status(i), OpStatus::bad_tag) << under_test.name << " near bit " << bit;
        const auto left = open.result(i);
        ASSERT_TRUE(std::all_of(left.begin(), left.end(), [](uint8_t b) { return b == 0; })) << under_test.name;
      }
      ASSERT_EQ(open.status(open.size() - 1), OpStatus::ok);
      open.clear();
    }
  }
}

TEST_P(Forgery, A_forged_record_ends_the_session_after_the_good_ones_before_it) {
  for (const DriverUnderTest& driver : checking_drivers()) {
    if (!driver.serves(suite())) continue;
    // The last bytes of the body, of the tag, and a byte of the first block.
    for (const size_t from_end : {size_t{1}, size_t{suite().tag_bytes} + 1, size_t{suite().tag_bytes} + 16}) {
      RecordPair pair(suite(), driver);
      for (uint64_t i = 0; i < 6; ++i) ASSERT_TRUE(pair.send(data_payload(100, i)));
      auto wire = pair.take_wire();
      const size_t each = wire.size() / 6;
      wire[4 * each - from_end] ^= 1;
      pair.give_wire(wire);
      for (int turn = 0; turn < 2000 && !pair.receive_path.error(); ++turn) pair.turn_receiver();
      ASSERT_EQ(pair.receive_path.error(), ErrorCode::corrupt_record) << driver.name;
      ASSERT_EQ(pair.received().size(), 3u) << "records before the forged one are delivered, none after it";
      for (int turn = 0; turn < 200; ++turn) pair.turn_receiver();
      EXPECT_EQ(pair.received().size(), 3u);
    }
  }
}

// What an attacker sees: which error, and after how many bytes it comes.
struct Refusal {
  std::optional<ErrorCode> error;
  size_t after_bytes;
};

Refusal refusal_of(const CipherSuite& suite, const DriverUnderTest& driver, size_t flipped_byte) {
  PairOptions options;
  options.capacity = size_t{1} << 20;
  RecordPair pair(suite, driver, 1, options);
  EXPECT_TRUE(pair.send(data_payload(200, 1)));
  auto wire = pair.take_wire();
  wire[flipped_byte] ^= 0x80;
  wire.resize(kMaxRecordLength + 1000);
  size_t given = 0;
  while (given < wire.size() && !pair.receive_path.error()) {
    const size_t step = std::min<size_t>(64, wire.size() - given);
    pair.give_wire({wire.data() + given, step});
    given += step;
    for (int turn = 0; turn < 40; ++turn) pair.turn_receiver();
  }
  return {pair.receive_path.error(), given};
}

TEST(Oracle, An_impossible_encrypted_length_is_answered_like_a_bad_tag_and_only_at_the_largest_size) {
  const DriverUnderTest& driver = drivers_under_test().front();
  for (const char* name :
       {"aes256-ctr+hmac-sha2-256", "aes128-cbc+hmac-sha1", "3des-cbc+hmac-md5", "chacha20-poly1305"}) {
    const CipherSuite& suite = *find_suite(name);
    const Refusal bad_body = refusal_of(suite, driver, 40);
    const Refusal bad_length = refusal_of(suite, driver, 0);  // top bit of the length
    EXPECT_EQ(bad_body.error, ErrorCode::corrupt_record) << name;
    EXPECT_EQ(bad_length.error, ErrorCode::corrupt_record) << name;
    EXPECT_LT(bad_body.after_bytes, 400u) << name;
    EXPECT_GE(bad_length.after_bytes, kMaxRecordLength) << name;
  }
}

TEST(Oracle, Bad_padding_under_a_good_tag_is_answered_like_a_bad_tag) {
  const DriverUnderTest& driver = drivers_under_test().front();
  for (const CipherSuite& suite : cipher_suites()) {
    if (!suite.negotiable) continue;
    for (const uint8_t padding : {uint8_t{0}, uint8_t{3}, uint8_t{255}}) {
      RecordPair pair(suite, driver, 1);
      auto record = frame_payload(suite, data_payload(20, 1));
      record[4] = padding;
      const ReferenceKeys keys = random_keys(suite, 1);
      pair.give_wire(reference_seal(suite, keys, 0, keys.iv, record));
      for (int turn = 0; turn < 100 && !pair.receive_path.error(); ++turn) pair.turn_receiver();
      EXPECT_EQ(pair.receive_path.error(), ErrorCode::corrupt_record) << suite.name() << " padding " << int{padding};
      EXPECT_TRUE(pair.received().empty());
    }
  }
}

std::string suite_name(const testing::TestParamInfo<size_t>& info) {
  std::string name = cipher_suites()[info.param].name();
  for (char& c : name) c = c == '-' || c == '+' ? '_' : c;
  return name;
}

INSTANTIATE_TEST_SUITE_P(Suites, Forgery, testing::Range(size_t{1}, cipher_suites().size()), suite_name);

}  // namespace
}  // namespace sluice::test
