// Messages through the send path, the wire and the receive path.
#include <gtest/gtest.h>

#include <cctype>

#include "base/random.h"
#include "drivers/driver_registry.h"
#include "tests/support/record_pair.h"

namespace sluice::test {
namespace {

class RecordPath : public testing::TestWithParam<size_t> {
 protected:
  const DriverUnderTest& driver() const { return drivers_under_test()[GetParam()]; }
};

// Sends n payloads of random sizes, draining as it goes; returns what was sent.
std::vector<std::vector<uint8_t>> send_many(RecordPair& pair, size_t n, size_t largest, CheapRandom& random) {
  std::vector<std::vector<uint8_t>> sent;
  for (size_t i = 0; i < n; ++i) {
    sent.push_back(data_payload(1 + random.below(largest), random.next()));
    while (!pair.send(sent.back())) pair.turn();
  }
  return sent;
}

TEST_P(RecordPath, Every_suite_delivers_every_message_once_and_in_order) {
  for (const CipherSuite& suite : cipher_suites()) {
    if (!suite.negotiable || !driver().serves(suite)) continue;
    CheapRandom random(suite.id);
    RecordPair pair(suite, driver());
    const auto sent = send_many(pair, 120, 3000, random);
    pair.settle();
    ASSERT_FALSE(pair.receive_path.error()) << suite.name();
    ASSERT_TRUE(pair.received() == sent) << suite.name();
  }
}

TEST_P(RecordPath, Every_payload_size_to_2100_arrives_with_its_own_padding) {
  // One suite for each way of framing and alignment.
  for (const char* name : {"aes128-gcm", "chacha20-poly1305", "aes256-ctr+hmac-sha2-256",
                           "aes256-ctr+hmac-sha2-512-etm", "3des-cbc+hmac-sha1", "3des-cbc+hmac-sha1-etm"}) {
    const CipherSuite& suite = *find_suite(name);
    if (!driver().serves(suite)) continue;
    RecordPair pair(suite, driver());
    std::vector<std::vector<uint8_t>> sent;
    for (size_t size = 1; size <= 2100; ++size) {
      sent.push_back(data_payload(size, size));
      while (!pair.send(sent.back())) pair.turn();
    }
    pair.settle();
    ASSERT_TRUE(pair.received() == sent) << suite.name();
  }
}

TEST_P(RecordPath, Large_messages_and_records_that_span_pieces_arrive_whole) {
  for (const char* name :
       {"aes128-gcm", "chacha20-poly1305", "aes256-ctr+hmac-sha2-512", "aes256-ctr+hmac-sha2-256-etm"}) {
    if (!driver().serves(*find_suite(name))) continue;
    CheapRandom random(4);
    PairOptions options;
    options.chop = 1448;
    RecordPair pair(*find_suite(name), driver(), 1, options);
    auto sent = send_many(pair, 30, kMaxPayload - 1, random);
    sent.push_back(data_payload(kMaxPayload, 1));
    while (!pair.send(sent.back())) pair.turn();
    pair.settle();
    ASSERT_FALSE(pair.receive_path.error()) << name;
    ASSERT_TRUE(pair.received() == sent) << name;
    EXPECT_GT(pair.receive_path.gathered(), 0u);
  }
}

TEST_P(RecordPath, Rekeying_in_mid_batch_between_all_kinds_of_suites_loses_nothing) {
  std::vector<const CipherSuite*> suites;
  for (const char* name :
       {"aes128-gcm", "aes256-ctr+hmac-sha2-512", "chacha20-poly1305", "aes128-cbc+hmac-sha2-256-etm", "aes256-gcm",
        "3des-cbc+hmac-sha1", "aes192-ctr+hmac-sha2-256-etm"}) {
    if (driver().serves(*find_suite(name))) suites.push_back(find_suite(name));
  }
  for (const bool strict : {false, true}) {
    CheapRandom random(11);
    RecordPair pair(*suites[0], driver());
    std::vector<std::vector<uint8_t>> sent;
    for (uint64_t round = 1; round < 30; ++round) {
      for (auto& payload : send_many(pair, 1 + random.below(20), 2000, random)) sent.push_back(std::move(payload));
      const CipherSuite& next = *suites[round % suites.size()];
      while (pair.send_path.in_work() + 1 >= kSendDepth) pair.turn();
      pair.rekey(next, round, strict);
      sent.push_back({kNewKeys});
      for (auto& payload : send_many(pair, 1 + random.below(10), 2000, random)) sent.push_back(std::move(payload));
      pair.settle();
      while (pair.send_path.take_drained()) {}
      ASSERT_FALSE(pair.receive_path.error()) << "round " << round;
    }
    ASSERT_TRUE(pair.received() == sent);
  }
}

TEST_P(RecordPath, Sequence_numbers_wrap) {
  for (const char* name : {"aes128-gcm", "chacha20-poly1305", "aes256-ctr+hmac-sha2-256", "aes256-ctr+hmac-sha1-etm"}) {
    if (!driver().serves(*find_suite(name))) continue;
    CheapRandom random(5);
    PairOptions options;
    options.first_sequence = 0xfffffff0u;
    RecordPair pair(*find_suite(name), driver(), 1, options);
    const auto sent = send_many(pair, 64, 500, random);
    pair.settle();
    ASSERT_FALSE(pair.receive_path.error()) << name;
    ASSERT_TRUE(pair.received() == sent) << name;
  }
}

std::vector<size_t> random_pieces(size_t total, CheapRandom& random) {
  std::vector<size_t> pieces;
  while (total > 0) {
    pieces.push_back(std::min<size_t>(total, 1 + random.below(300)));
    total -= pieces.back();
  }
  return pieces;
}

TEST_P(RecordPath, Fed_one_byte_at_a_time_or_in_random_pieces_the_result_is_the_same) {
  for (const char* name : {"aes128-gcm", "chacha20-poly1305", "aes256-ctr+hmac-sha2-256", "aes128-cbc+hmac-sha1"}) {
    if (!driver().serves(*find_suite(name))) continue;
    for (const bool single : {true, false}) {
      CheapRandom random(6);
      RecordPair pair(*find_suite(name), driver());
      std::vector<std::vector<uint8_t>> sent;
      for (size_t i = 0; i < 10; ++i) {
        sent.push_back(data_payload(1 + random.below(300), i));
        ASSERT_TRUE(pair.send(sent.back()));
      }
      const auto wire = pair.take_wire();
      size_t at = 0;
      for (const size_t n : single ? std::vector<size_t>(wire.size(), 1) : random_pieces(wire.size(), random)) {
        pair.give_wire({wire.data() + at, n});
        at += n;
        pair.turn_receiver();
      }
      pair.settle();
      ASSERT_TRUE(pair.received() == sent) << name;
    }
  }
}

TEST_P(RecordPath, Records_of_256_KiB_are_accepted_by_the_slow_path) {
  for (const char* name : {"aes128-gcm", "chacha20-poly1305", "aes256-ctr+hmac-sha2-256",
                           "aes256-ctr+hmac-sha2-512-etm", "aes256-cbc+hmac-sha1"}) {
    const CipherSuite& suite = *find_suite(name);
    if (!driver().serves(suite)) continue;
    RecordPair pair(suite, driver());
    const ReferenceKeys keys = random_keys(suite, 1);
    const auto payload = data_payload(kMaxRecordLength - 40, 3);
    pair.give_wire(reference_seal(suite, keys, 0, keys.iv, frame_payload(suite, payload)));
    pair.settle();
    ASSERT_FALSE(pair.receive_path.error()) << name;
    ASSERT_EQ(pair.received().size(), 1u) << name;
    EXPECT_TRUE(pair.received()[0] == payload) << name;
  }
}

TEST_P(RecordPath, Drafts_finished_out_of_order_shortened_or_dropped_leave_in_order) {
  const CipherSuite* etm = find_suite("aes256-ctr+hmac-sha2-256-etm");
  RecordPair pair(driver().serves(*etm) ? *etm : *find_suite("aes128-gcm"), driver());
  std::vector<Draft> drafts;
  for (int i = 0; i < 9; ++i) drafts.push_back(*pair.send_path.reserve(1000));
  for (const size_t i : {8u, 3u, 1u, 0u, 7u, 2u, 6u, 4u, 5u}) {
    drafts[i].payload[0] = static_cast<uint8_t>(100 + i);
    pair.send_path.finish(drafts[i], i == 4 ? 0 : 10 * (i + 1));
    pair.turn();
  }
  pair.settle();
  ASSERT_EQ(pair.received().size(), 8u);
  size_t at = 0;
  for (size_t i = 0; i < 9; ++i) {
    if (i == 4) continue;
    EXPECT_EQ(pair.received()[at][0], 100 + i);
    EXPECT_EQ(pair.received()[at++].size(), 10 * (i + 1));
  }
}

TEST_P(RecordPath, A_peer_that_does_not_read_blocks_the_sender_and_loses_nothing) {
  PairOptions options;
  options.capacity = 16384;
  for (const char* name : {"aes128-gcm", "aes256-ctr+hmac-sha2-256", "aes256-ctr+hmac-sha2-512-etm"}) {
    if (!driver().serves(*find_suite(name))) continue;
    RecordPair pair(*find_suite(name), driver(), 1, options);
    std::vector<std::vector<uint8_t>> sent;
    // Several laps around full rings: what is before the oldest record there is what was received last.
    for (uint64_t i = 0; i < 200; ++i) {
      auto payload = data_payload(900, i);
      const bool taken = pair.send(payload);
      if (taken) sent.push_back(std::move(payload));
      for (int turn = 0; turn < 20; ++turn) pair.turn_sender(), pair.near.flush();
      if (!taken) pair.turn_receiver();
      if (i < 39) continue;
      EXPECT_LT(sent.size(), i) << "memory in both directions is all that a silent peer gets";
    }
    pair.settle();
    EXPECT_FALSE(pair.receive_path.error()) << name;
    EXPECT_TRUE(pair.received() == sent) << name;
  }
}

TEST_P(RecordPath, A_key_at_its_limit_seals_not_one_record_more) {
  if (!driver().serves(*find_suite("chacha20-poly1305"))) return;
  RecordPair pair(*find_suite("chacha20-poly1305"), driver());
  const auto payload = data_payload(kMaxPayload, 1);
  uint64_t advised_at = 0;
  for (uint64_t sent = 0; sent < (uint64_t{1} << 30) + (uint64_t{8} << 20); sent += payload.size()) {
    if (pair.send_path.error()) break;
    while (!pair.send(payload) && !pair.send_path.error()) {
      const RekeyAdvice advice = pair.send_path.stage(pair.dispatch, 0, pair.limits);
      if (advice == RekeyAdvice::rekey && advised_at == 0) advised_at = pair.send_path.epoch().bytes();
      pair.turn_sender();
      pair.near.discard_sent();
    }
    if (GetParam() != 0) return;  // one driver pushes the gigabyte
  }
  EXPECT_EQ(pair.send_path.error(), ErrorCode::key_exhausted);
  EXPECT_GT(advised_at, uint64_t{700} << 20);
  EXPECT_LT(pair.send_path.epoch().bytes(), (uint64_t{1} << 30) + (uint64_t{8} << 20));
}

TEST(RecordPathKeys, A_receiver_whose_next_keys_are_not_there_parks_until_they_are) {
  const CipherSuite& suite = *find_suite("aes128-gcm");
  auto set = make_driver_set("openssl");
  Dispatch dispatch(**set);
  RecordPool pool;
  MemoryTransport transport(size_t{1} << 20);
  ReceivePath path(transport, pool);
  path.expect_newkeys(true);
  const std::vector<uint8_t> new_keys{kNewKeys};
  transport.receive(frame_payload(plain_suite(), new_keys));
  const ReferenceKeys keys = random_keys(suite, 1);
  const auto payload = data_payload(50, 1);
  transport.receive(reference_seal(suite, keys, 0, keys.iv, frame_payload(suite, payload)));
  std::array<Message, 4> messages;
  path.frame(dispatch);
  ASSERT_EQ(path.collect(messages), 1u);
  path.release(1);
  path.turn_keys(true);
  EXPECT_TRUE(path.parked());
  path.frame(dispatch);
  EXPECT_EQ(path.in_work(), 0u);
  path.install(std::move(*KeyEpoch::prepare(suite, Direction::open, {keys.cipher_key, keys.iv, {}}, **set, 0)));
  EXPECT_FALSE(path.parked());
  path.frame(dispatch);
  dispatch.submit();
  dispatch.poll();
  ASSERT_EQ(path.collect(messages), 1u);
  EXPECT_TRUE(std::equal(payload.begin(), payload.end(), messages[0].payload.begin()));
}

std::string driver_name(const testing::TestParamInfo<size_t>& info) {
  std::string name = drivers_under_test()[info.param].name;
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(Drivers, RecordPath, testing::Range(size_t{0}, drivers_under_test().size()), driver_name);

}  // namespace
}  // namespace sluice::test
