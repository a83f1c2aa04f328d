// AES-CTR where a counter of fewer than 128 bits would wrap inside a record: through the data path, on every driver.
#include <gtest/gtest.h>

#include "tests/support/record_pair.h"

namespace sluice::test {
namespace {

struct Wrap {
  const char* name;
  std::array<uint8_t, 16> start;
};

// Each is eight blocks below the wrap of its low 32, 64 or all 128 bits.
const std::array<Wrap, 3> kWraps{{
    {"2^32", {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0xff, 0xff, 0xff, 0xf8}},
    {"2^64", {1, 2, 3, 4, 5, 6, 7, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf8}},
    {"2^128", {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf8}},
}};

void add_blocks(std::array<uint8_t, 16>& counter, size_t blocks) {
  for (; blocks > 0; --blocks) {
    for (size_t i = 16; i > 0 && ++counter[i - 1] == 0; --i) {}
  }
}

// Seals and opens a run of records on a dispatch and compares with OpenSSL's 128-bit counter.
void check_run(const DriverUnderTest& driver, const CipherSuite& suite, const Wrap& wrap) {
  auto drivers = driver.make_set();
  Dispatch dispatch(*drivers);
  ReferenceKeys keys = random_keys(suite, 3);
  keys.iv.assign(wrap.start.begin(), wrap.start.end());
  auto epoch = KeyEpoch::prepare(suite, Direction::seal, {keys.cipher_key, keys.iv, keys.mac_key}, *drivers, 0);
  ASSERT_TRUE(epoch.has_value());
  constexpr size_t kRecords = 6;
  std::array<CryptoOp, kRecords> ops{};
  std::vector<std::vector<uint8_t>> sources, targets, expected;
  auto counter = wrap.start;
  for (uint32_t i = 0; i < kRecords; ++i) {
    // The first ends below the wrap, the second crosses it, the others start beyond.
    const auto record = frame_payload(suite, data_payload(i == 0 ? 40 : 500, i));
    expected.push_back(reference_seal(suite, keys, i, counter, record));
    add_blocks(counter, (record.size() - suite.encrypted_from) / 16);
    std::vector<uint8_t> memory(64);
    memory.insert(memory.end(), record.begin(), record.end());
    memory.resize(memory.size() + kMaxTagBytes);
    sources.push_back(memory);
    targets.push_back(memory);
  }
  for (uint32_t i = 0; i < kRecords; ++i) {
    CryptoOp& op = ops[i];
    const bool separate = (*epoch)->placement() == Placement::separate;
    op.dst = targets[i].data() + 64;
    op.src = separate ? sources[i].data() + 64 : op.dst;
    op.length = static_cast<uint32_t>(expected[i].size() - suite.tag_bytes);
    op.tag = op.dst + op.length;
    op.sequence = i;
    (*epoch)->assign(op);
    ASSERT_TRUE(dispatch.stage(op));
  }
  for (int turn = 0; turn < 1000 && (*epoch)->in_flight() > 0; ++turn) dispatch.submit(), dispatch.poll();
  for (uint32_t i = 0; i < kRecords; ++i) {
    ASSERT_EQ(ops[i].status, OpStatus::ok);
    ASSERT_TRUE(std::equal(expected[i].begin(), expected[i].end(), ops[i].dst))
        << driver.name << " " << suite.name() << " record " << i << " at " << wrap.name;
  }
}

TEST(CounterWrap, Records_across_2_32_2_64_and_2_128_agree_with_openssl_on_every_driver) {
  for (const DriverUnderTest& driver : drivers_under_test()) {
    for (const CipherSuite& suite : cipher_suites()) {
      if (suite.kind() != CipherKind::aes_ctr || !driver.serves(suite)) continue;
      for (const Wrap& wrap : kWraps) {
        check_run(driver, suite, wrap);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(CounterWrap, A_wrap_exactly_at_a_records_end_is_none) {
  const CipherSuite& suite = *find_suite("aes256-ctr+hmac-sha2-256-etm");
  CryptoOp op{};
  op.length = 4 + 8 * 16;
  op.iv = kWraps[0].start;
  EXPECT_FALSE(counter_wraps(op, suite, 32));
  op.length += 16;
  EXPECT_TRUE(counter_wraps(op, suite, 32));
  EXPECT_FALSE(counter_wraps(op, suite, 128));
}

}  // namespace
}  // namespace sluice::test
