// A sender and a receiver joined in memory, with keys already turned: the data path without a network.
#pragma once

#include <memory>
#include <vector>

#include "dataplane/receive_path.h"
#include "dataplane/send_path.h"
#include "drivers/memory_transport.h"
#include "drivers/reference_crypto.h"
#include "tests/support/drivers_under_test.h"

namespace sluice::test {

struct PairOptions {
  size_t capacity = size_t{1} << 20;
  size_t chop = 0;
  uint32_t first_sequence = 0;  // of the first record under the new keys
};

class RecordPair {
 public:
  RecordPair(const CipherSuite& suite, const DriverUnderTest& driver, uint64_t key_seed = 1,
             const PairOptions& options = {});
  RecordPair(const CipherSuite& suite, std::unique_ptr<DriverSet> driver_set, uint64_t key_seed = 1,
             const PairOptions& options = {});

  // False: would block.
  bool send(Bytes payload);
  // One turn of both sides; received payloads are appended to received(). Wire bytes pass on unless held.
  void turn();
  // Until nothing is in work on either side, or the receiver refused, or `most` turns passed.
  void settle(size_t most = 10000);
  // Sender only: returns wire bytes instead of passing them on.
  std::vector<uint8_t> take_wire();
  void give_wire(Bytes bytes) { far.receive(bytes); }
  void turn_receiver();
  void turn_sender();

  // New keys of a suite in both directions, by a NEWKEYS message in the stream.
  void rekey(const CipherSuite& suite, uint64_t key_seed, bool strict);

  std::vector<std::vector<uint8_t>>& received() { return received_; }

  std::unique_ptr<DriverSet> drivers;
  Dispatch dispatch;
  RecordPool pool;
  MemoryTransport near;
  MemoryTransport far;
  SendPath send_path;
  ReceivePath receive_path;
  RekeyLimits limits;

 private:
  std::unique_ptr<KeyEpoch> epoch(const CipherSuite& suite, Direction direction, uint64_t seed) const;

  bool strict_ = false;
  std::vector<std::vector<uint8_t>> received_;
};

inline constexpr uint8_t kNewKeys = 21;
inline constexpr uint8_t kData = 94;

std::vector<uint8_t> data_payload(size_t n, uint64_t seed);

}  // namespace sluice::test
