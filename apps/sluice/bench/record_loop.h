// One session's send path and receive path, back to back in memory, for timing one or the other.
#pragma once

#include <algorithm>
#include <memory>
#include <string>

#include "dataplane/receive_path.h"
#include "dataplane/send_path.h"
#include "drivers/driver_registry.h"
#include "drivers/memory_transport.h"

namespace sluice::bench {

// Shows what was received a batch at a time, so that many batches can be opened without stopping the clock.
class SteppedTransport final : public MemoryTransport {
 public:
  using MemoryTransport::MemoryTransport;
  size_t available() const override { return std::min(visible_, MemoryTransport::available()); }
  void show(size_t bytes) { visible_ = bytes; }
  // Part of a batch may be opened before the rest: what follows the batch stays hidden.
  void release(size_t n) override {
    visible_ -= n;
    MemoryTransport::release(n);
  }

 private:
  size_t visible_ = 0;
};

class RecordLoop {
 public:
  // `records` a batch. `driver`: a name of the registry, `null`, or `auto`.
  RecordLoop(const CipherSuite& suite, uint32_t payload, size_t records, const std::string& driver);

  // One batch from messages to committed wire bytes, which are then forgotten.
  void seal() { seal(records_); }
  // Fewer than a batch.
  void seal(size_t records);
  // Fresh wire bytes for rounds() calls of open(), each of one batch.
  void prepare_open();
  void open();
  size_t rounds() const { return rounds_; }
  // Names of the drivers that took records of a direction.
  std::string ran(Direction direction) const;

 private:
  void renew_keys();
  void seal_batch(size_t records);

  const CipherSuite& suite_;
  uint32_t payload_;
  size_t records_;
  size_t batch_bytes_;
  size_t rounds_;
  std::unique_ptr<DriverSet> seal_drivers_;
  std::unique_ptr<DriverSet> open_drivers_;
  Dispatch seal_dispatch_;
  Dispatch open_dispatch_;
  RecordPool pool_;
  MemoryTransport near_;
  SteppedTransport far_;
  std::unique_ptr<SendPath> send_;
  std::unique_ptr<ReceivePath> receive_;
};

}  // namespace sluice::bench
