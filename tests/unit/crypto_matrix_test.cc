// Every suite on every driver against OpenSSL's answer: sizes, alignments, counters at their wraps.
#include <gtest/gtest.h>

#include "base/random.h"
#include "tests/support/run_ops.h"

namespace sluice::test {
namespace {

constexpr uint32_t kAllSizesTo = 2100;
constexpr uint32_t kLargest = 70000;
constexpr size_t kRandomSizes = 40;
constexpr size_t kBatch = 24;  // more than any driver's lanes, no multiple of them

class CryptoMatrix : public testing::TestWithParam<size_t> {
 protected:
  const CipherSuite& suite() const { return cipher_suites()[GetParam()]; }
};

struct Case {
  std::vector<uint8_t> record;
  std::vector<uint8_t> wire;
  std::vector<uint8_t> iv;
  uint32_t sequence;
};

std::vector<uint8_t> random_iv(const CipherSuite& suite, CheapRandom& random) {
  std::vector<uint8_t> iv(suite.cipher->iv_bytes);
  random.fill(iv);
  return iv;
}

Case make_case(const CipherSuite& suite, const ReferenceKeys& keys, uint32_t payload, CheapRandom& random) {
  Case c;
  std::vector<uint8_t> bytes(payload);
  random.fill(bytes);
  c.record = frame_payload(suite, bytes, random.next());
  c.iv = random_iv(suite, random);
  c.sequence = static_cast<uint32_t>(random.next());
  c.wire = reference_seal(suite, keys, c.sequence, c.iv, c.record);
  return c;
}

// Both directions of all cases that the driver's limits admit, as one batch.
void check_batch(CryptoDriver& driver, OpBench& seal, OpBench& open, const CipherSuite& suite,
                 const std::vector<Case>& cases) {
  seal.clear(), open.clear();
  std::vector<const Case*> used;
  const Support support = driver.supports(suite);
  size_t alignment = 0;
  for (const Case& c : cases) {
    if (c.record.size() > support.longest) continue;
    CryptoOp probe{};
    probe.length = static_cast<uint32_t>(c.record.size());
    std::copy(c.iv.begin(), c.iv.end(), probe.iv.begin());
    if (counter_wraps(probe, suite, support.counter_bits)) continue;
    alignment = (alignment + 5) % 64;
    seal.add(c.record, c.sequence, c.iv, alignment);
    open.add(c.wire, c.sequence, c.iv, alignment);
    used.push_back(&c);
  }
  seal.run(), open.run();
  for (size_t i = 0; i < used.size(); ++i) {
    ASSERT_EQ(seal.status(i), OpStatus::ok);
    ASSERT_TRUE(seal.result(i) == used[i]->wire)
        << driver.name() << " sealed " << used[i]->record.size() << " bytes wrong";
    ASSERT_TRUE(seal.kept_its_place(i)) << driver.name() << " seal " << used[i]->record.size();
    ASSERT_EQ(open.status(i), OpStatus::ok) << driver.name() << " " << used[i]->record.size();
    ASSERT_TRUE(open.result(i) == used[i]->record)
        << driver.name() << " opened " << used[i]->record.size() << " bytes wrong";
    ASSERT_TRUE(open.kept_its_place(i)) << driver.name() << " open " << used[i]->record.size();
  }
}

void check_all_drivers(const CipherSuite& suite, const ReferenceKeys& keys,
                       const std::vector<std::vector<Case>>& batches) {
  for (const DriverUnderTest& under_test : drivers_under_test()) {
    if (!under_test.serves(suite)) continue;
    const auto driver = under_test.make();
    OpBench seal(*driver, suite, Direction::seal, keys);
    OpBench open(*driver, suite, Direction::open, keys);
    for (const auto& batch : batches) {
      check_batch(*driver, seal, open, suite, batch);
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST_P(CryptoMatrix, Every_size_agrees_with_openssl_on_every_driver_and_alignment) {
  const ReferenceKeys keys = random_keys(suite(), GetParam());
  CheapRandom random(GetParam() + 1000);
  std::vector<std::vector<Case>> batches(1);
  const auto add = [&](uint32_t payload) {
    if (batches.back().size() == kBatch) batches.emplace_back();
    batches.back().push_back(make_case(suite(), keys, payload, random));
  };
  // Payloads that pad to one length are one case to a driver: each length once, and every size in the first block.
  uint32_t last_length = 0;
  for (uint32_t payload = 0; payload <= kAllSizesTo; ++payload) {
    const uint32_t length = record_length(suite(), payload);
    if (length == last_length && payload > 64) continue;
    last_length = length;
    add(payload);
  }
  for (size_t i = 0; i < kRandomSizes; ++i) add(static_cast<uint32_t>(random.below(kLargest)));
  for (const uint32_t payload : {kMaxPayload - 1, kMaxPayload, 65500u, 65535u, kLargest}) add(payload);
  check_all_drivers(suite(), keys, batches);
}

TEST_P(CryptoMatrix, The_largest_record_agrees_where_a_driver_takes_it) {
  const ReferenceKeys keys = random_keys(suite(), 5);
  CheapRandom random(6);
  const uint32_t payload = kMaxRecordLength - 300;
  check_all_drivers(suite(), keys, {{make_case(suite(), keys, payload, random)}});
}

std::string suite_name(const testing::TestParamInfo<size_t>& info) {
  std::string name = cipher_suites()[info.param].name();
  for (char& c : name) c = c == '-' || c == '+' ? '_' : c;
  return name;
}

INSTANTIATE_TEST_SUITE_P(Suites, CryptoMatrix, testing::Range(size_t{1}, cipher_suites().size()), suite_name);

}  // namespace
}  // namespace sluice::test
