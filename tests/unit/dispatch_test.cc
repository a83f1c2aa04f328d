// Which driver gets which record, and what happens when one fails.
#include "crypto_offload/dispatch.h"

#include <gtest/gtest.h>

#include "drivers/driver_registry.h"
#include "drivers/null_driver.h"
#include "tests/support/record_pair.h"

namespace sluice::test {
namespace {

// Takes everything and fails at all of it, as a dead device does.
class BrokenDriver final : public CryptoDriver {
 public:
  explicit BrokenDriver(Placement placement) : placement_(placement) {}
  std::string_view name() const override { return "broken"; }
  Placement placement() const override { return placement_; }
  Support supports(const CipherSuite& suite) const override { return inner_.supports(suite); }
  ResultOrText<std::unique_ptr<PreparedKey>> prepare(const CipherSuite& s, Direction d, const KeyMaterial& k) override {
    return inner_.prepare(s, d, k);
  }
  size_t submit(std::span<CryptoOp* const> ops) override { return inner_.submit(ops); }
  size_t poll(std::span<CryptoOp*> done) override {
    const size_t n = inner_.poll(done);
    for (size_t i = 0; i < n; ++i) done[i]->status = OpStatus::device_error;
    return n;
  }
  void read_lengths(std::span<LengthQuestion> questions) override { inner_.read_lengths(questions); }

 private:
  Placement placement_;
  NullDriver inner_;
};

TEST(Dispatch, A_failed_device_s_records_are_done_again_in_software) {
  const DriverUnderTest broken{"broken", [] { return std::make_unique<BrokenDriver>(Placement::separate); }};
  RecordPair pair(*find_suite("aes128-gcm"), broken);
  std::vector<std::vector<uint8_t>> sent;
  for (size_t i = 0; i < 200; ++i) {
    sent.push_back(data_payload(1 + i * 97 % 5000, i));
    while (!pair.send(sent.back())) pair.turn();
  }
  pair.settle();
  EXPECT_FALSE(pair.receive_path.error());
  EXPECT_EQ(pair.received(), sent);
  EXPECT_GT(pair.dispatch.taken_by(1), 200u);
}

TEST(Dispatch, Work_in_place_that_a_device_failed_at_ends_the_session) {
  const DriverUnderTest broken{"broken", [] { return std::make_unique<BrokenDriver>(Placement::in_place); }};
  RecordPair pair(*find_suite("aes128-gcm"), broken);
  ASSERT_TRUE(pair.send(data_payload(100, 1)));
  pair.turn();
  EXPECT_EQ(pair.send_path.error(), ErrorCode::crypto_device);
  EXPECT_TRUE(pair.received().empty());
}

TEST(Dispatch, Few_records_of_a_hashed_suite_go_to_single_buffer_code_and_many_to_the_lanes) {
  auto set = make_driver_set("");
  ASSERT_TRUE(set.has_value());
  if ((*set)->size() < 2) GTEST_SKIP() << "ipsec_mb is not on this machine";
  const CipherSuite& suite = *find_suite("aes256-ctr+hmac-sha2-256-etm");
  const ReferenceKeys keys = random_keys(suite, 1);
  auto epoch = KeyEpoch::prepare(suite, Direction::seal, {keys.cipher_key, keys.iv, keys.mac_key}, **set, 0);
  ASSERT_TRUE(epoch.has_value());
  const PaysFrom pays = (*epoch)->candidates()[0].pays_from;
  EXPECT_EQ(crossover((**set)[0], (**set)[1], suite), pays) << "measured once, then remembered";
  Dispatch dispatch(**set);
  std::vector<std::vector<uint8_t>> memory(16, std::vector<uint8_t>(20000));
  std::array<CryptoOp, 16> ops{};
  const auto run = [&](size_t n) {
    for (size_t i = 0; i < n; ++i) {
      ops[i].dst = memory[i].data() + 64;
      ops[i].src = ops[i].dst;
      ops[i].length = 16384 + 4;
      ops[i].tag = ops[i].dst + ops[i].length;
      (*epoch)->assign(ops[i]);
      ASSERT_TRUE(dispatch.stage(ops[i]));
    }
    dispatch.submit();
    while (dispatch.in_flight() > 0) dispatch.poll();
  };
  for (const size_t n : {size_t{1}, size_t{16}}) {
    const uint64_t before = dispatch.taken_by(0);
    run(n);
    const bool lanes = n >= pays[static_cast<size_t>(SizeClass::large)];
    EXPECT_EQ(dispatch.taken_by(0) - before, lanes ? n : 0u) << n << " at hand, lanes pay from " << int{pays[1]};
  }
}

TEST(Dispatch, Batches_mix_sessions_suites_and_directions) {
  auto set = make_driver_set("");
  ASSERT_TRUE(set.has_value());
  Dispatch dispatch(**set);
  struct Item {
    const CipherSuite* suite;
    std::unique_ptr<KeyEpoch> epoch;
    CryptoOp op;
    std::vector<uint8_t> memory, expected, tag;
  };
  std::vector<Item> items;
  for (int round = 0; round < 4; ++round) {
    for (const CipherSuite& suite : cipher_suites()) {
      if (!suite.negotiable) continue;
      for (const Direction direction : {Direction::seal, Direction::open}) {
        Item& item = items.emplace_back();
        item.suite = &suite;
        const ReferenceKeys keys = random_keys(suite, items.size());
        item.epoch =
            std::move(*KeyEpoch::prepare(suite, direction, {keys.cipher_key, keys.iv, keys.mac_key}, **set, 0));
        const auto record = frame_payload(suite, data_payload(100 + 37 * items.size() % 3000, items.size()));
        const auto wire = reference_seal(suite, keys, 5, keys.iv, record);
        item.memory.assign(64, 0);
        const auto& in = direction == Direction::seal ? record : wire;
        item.expected = direction == Direction::seal ? wire : record;
        item.memory.insert(item.memory.end(), in.begin(), in.end());
        item.memory.resize(64 + wire.size());
        item.tag.assign(wire.end() - suite.tag_bytes, wire.end());
      }
    }
  }
  size_t done = 0;
  size_t staged = 0;
  while (done < items.size()) {
    for (; staged < items.size() && !dispatch.full(); ++staged) {
      Item& item = items[staged];
      CryptoOp& op = item.op;
      op.dst = item.memory.data() + 64;
      op.src = op.dst;
      op.length = static_cast<uint32_t>(item.memory.size() - 64 - item.suite->tag_bytes);
      op.tag = item.epoch->direction() == Direction::seal ? op.dst + op.length : item.tag.data();
      op.sequence = 5;
      item.epoch->assign(op);
      ASSERT_TRUE(dispatch.stage(op));
    }
    dispatch.submit();
    done += dispatch.poll();
  }
  for (const Item& item : items) {
    ASSERT_EQ(item.op.status, OpStatus::ok) << item.suite->name();
    EXPECT_TRUE(std::equal(item.expected.begin(), item.expected.end(), item.op.dst)) << item.suite->name();
  }
}

TEST(KeyEpoch, Is_drained_when_retired_and_the_last_record_is_back) {
  auto set = make_driver_set("openssl");
  const CipherSuite& suite = *find_suite("aes128-gcm");
  const ReferenceKeys keys = random_keys(suite, 1);
  auto epoch = std::move(*KeyEpoch::prepare(suite, Direction::seal, {keys.cipher_key, keys.iv, {}}, **set, 0));
  Dispatch dispatch(**set);
  std::vector<uint8_t> memory(200);
  CryptoOp op{};
  op.dst = memory.data();
  op.src = op.dst;
  op.length = 4 + 64;
  op.tag = op.dst + op.length;
  epoch->assign(op);
  ASSERT_TRUE(dispatch.stage(op));
  epoch->retire();
  EXPECT_FALSE(epoch->drained());
  dispatch.submit();
  dispatch.poll();
  EXPECT_TRUE(epoch->drained());
}

}  // namespace
}  // namespace sluice::test
