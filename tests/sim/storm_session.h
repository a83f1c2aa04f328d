// One session of the storm: a sender and a receiver whose every record can be recognised.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "dataplane/receive_path.h"
#include "dataplane/send_path.h"
#include "drivers/memory_transport.h"

namespace sluice::test {

// What sessions share: a worker's dispatch and pool, one seed's dice, the counts.
struct StormWorld {
  StormWorld(const DriverSet& driver_set, uint64_t seed);

  const DriverSet& drivers;
  Dispatch dispatch;
  RecordPool pool;
  CheapRandom random;
  std::vector<uint8_t> noise;  // payloads are pieces of it
  uint64_t records_left = 0;
  uint64_t delivered = 0;
  uint64_t rekeys = 0;
  uint64_t fingerprint = 0;  // of the order in which everything happened
  std::vector<std::string> wrongs;
};

class StormSession {
 public:
  StormSession(StormWorld& world, uint64_t id);

  // Steps of a turn; true when something moved.
  bool produce();
  bool commit();
  bool consume();
  void stage(uint64_t now_ns);

  std::optional<ErrorCode> error() const;
  // Nothing of it is with a driver or a device.
  bool at_rest() const { return send_.in_flight() == 0 && receive_.in_flight() == 0; }
  bool delivered_all() const { return received_ == sent_ && send_.in_work() == 0; }
  uint64_t id() const { return id_; }

 private:
  Bytes content(uint64_t index, size_t size) const;
  void rekey();
  std::unique_ptr<KeyEpoch> epoch(Direction direction, const CipherSuite& suite, uint64_t seed) const;
  void check(const Message& message);

  StormWorld& world_;
  const uint64_t id_;
  MemoryTransport near_;
  MemoryTransport far_;
  SendPath send_;
  ReceivePath receive_;
  uint64_t sent_ = 0;
  uint64_t received_ = 0;
  std::vector<uint32_t> sizes_;  // of the records on their way, by index modulo
  bool turning_ = false;
  bool strict_ = false;
};

}  // namespace sluice::test
