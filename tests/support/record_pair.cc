// Driving both paths turn by turn.
#include "tests/support/record_pair.h"

#include "base/check.h"

namespace sluice::test {

RecordPair::RecordPair(const CipherSuite& suite, const DriverUnderTest& driver, uint64_t key_seed,
                       const PairOptions& options)
    : RecordPair(suite, driver.make_set(), key_seed, options) {}

RecordPair::RecordPair(const CipherSuite& suite, std::unique_ptr<DriverSet> driver_set, uint64_t key_seed,
                       const PairOptions& options)
    : drivers(std::move(driver_set)),
      dispatch(*drivers),
      near(options.capacity),
      far(options.capacity, options.chop),
      // The NEWKEYS record that brings the keys takes one number.
      send_path(near, pool, options.first_sequence - 1),
      receive_path(far, pool, options.first_sequence - 1) {
  MemoryTransport::connect(near, far);
  rekey(suite, key_seed, false);
  settle();
  received_.clear();
}

std::unique_ptr<KeyEpoch> RecordPair::epoch(const CipherSuite& suite, Direction direction, uint64_t seed) const {
  const ReferenceKeys keys = random_keys(suite, seed);
  auto made = KeyEpoch::prepare(suite, direction, {keys.cipher_key, keys.iv, keys.mac_key}, *drivers, 0);
  SLUICE_CHECK(made.has_value());
  return std::move(*made);
}

void RecordPair::rekey(const CipherSuite& suite, uint64_t key_seed, bool strict) {
  strict_ = strict;
  send_path.install(epoch(suite, Direction::seal, key_seed));
  receive_path.install(epoch(suite, Direction::open, key_seed));
  receive_path.expect_newkeys(true);
  const auto draft = send_path.reserve(1);
  SLUICE_CHECK(draft.has_value());
  draft->payload[0] = kNewKeys;
  send_path.finish_newkeys(*draft, 1, strict);
}

bool RecordPair::send(Bytes payload) {
  const auto draft = send_path.reserve(payload.size());
  if (!draft) return false;
  std::memcpy(draft->payload.data(), payload.data(), payload.size());
  send_path.finish(*draft, payload.size());
  return true;
}

void RecordPair::turn_sender() {
  send_path.stage(dispatch, 0, limits);
  dispatch.submit();
  dispatch.poll();
  send_path.commit();
}

void RecordPair::turn_receiver() {
  receive_path.frame(dispatch);
  dispatch.submit();
  dispatch.poll();
  std::array<Message, 16> messages;
  const size_t n = receive_path.collect(messages);
  bool turned = false;
  for (size_t i = 0; i < n; ++i) {
    received_.emplace_back(messages[i].payload.begin(), messages[i].payload.end());
    turned = turned || messages[i].number() == kNewKeys;
  }
  receive_path.release(n);
  if (turned) {
    receive_path.turn_keys(strict_);
    receive_path.expect_newkeys(false);
    receive_path.take_drained();
  }
}

void RecordPair::turn() {
  turn_sender();
  near.flush();
  turn_receiver();
}

void RecordPair::settle(size_t most) {
  for (size_t i = 0; i < most; ++i) {
    turn();
    if (receive_path.error()) return;
    const bool idle = send_path.in_work() == 0 && receive_path.in_work() == 0 && near.send_ring().pending_bytes() == 0;
    if (idle && dispatch.in_flight() == 0 && far.available() == 0) return;
  }
}

std::vector<uint8_t> RecordPair::take_wire() {
  while (send_path.in_work() > 0) turn_sender();
  std::vector<uint8_t> wire;
  std::array<Bytes, kMaxPieces> pieces;
  const size_t n = near.send_ring().pending(pieces);
  for (size_t i = 0; i < n; ++i) wire.insert(wire.end(), pieces[i].begin(), pieces[i].end());
  near.discard_sent();
  return wire;
}

std::vector<uint8_t> data_payload(size_t n, uint64_t seed) {
  std::vector<uint8_t> payload(n);
  CheapRandom(seed).fill(payload);
  payload[0] = kData;
  return payload;
}

}  // namespace sluice::test
