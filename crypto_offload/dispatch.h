// A worker's hand-over between sessions and drivers: collects ops of all sessions, has a driver chosen for each,
// submits in batches, polls, and does again in software what a device failed at.
//
// Steps of a turn: sessions stage(); submit() offers to devices, then to software what no device took, chosen by how
// many records are at hand; poll() takes back what is finished. Ops complete in any order; order is the business of
// each session's ring.
// Invariant: an op that was staged finishes exactly once, and as failed only when the last driver failed at it or when
// it was worked on in place.
#pragma once

#include <array>
#include <memory>

#include "crypto_offload/answer_checks.h"
#include "crypto_offload/device_watch.h"
#include "crypto_offload/driver_select.h"

namespace sluice {

// Staged and not yet taken by a driver, in all sessions of a worker. A full stage is back-pressure, not loss.
inline constexpr size_t kStageCapacity = 512;
// Staged and not finished. Every one of them may have to be done again at once, and the list for that has this size.
inline constexpr size_t kMostOutstanding = 8192;

class Dispatch {
 public:
  explicit Dispatch(const DriverSet& drivers);

  // While work waits to be done again, no new work is taken.
  bool full() const { return staged_count_ >= stage_limit_; }
  // False when full: the session keeps the op and stages it on its next turn.
  bool stage(CryptoOp& op) {
    if (full()) return false;
    staged_[staged_count_++] = &op;
    return true;
  }
  void submit();
  // Returns how many ops were finished; their status says how.
  size_t poll();

  // Ops that a driver has taken since the start.
  uint64_t taken_by(size_t driver) const { return lanes_[driver].taken; }
  size_t in_flight() const { return in_flight_; }
  // Staged and not finished, wherever they are.
  size_t outstanding() const { return outstanding_ + staged_count_ - counted_; }
  const DriverSet& drivers() const { return *drivers_; }
  const DriverCounters& counters(size_t driver) const { return counters_[driver]; }
  // Null for software.
  const DeviceWatch* watch(size_t driver) const { return lanes_[driver].watch.get(); }

 private:
  struct Lane {
    CryptoDriver* driver = nullptr;
    std::unique_ptr<DeviceWatch> watch;
    uint64_t taken = 0;
    uint64_t timed_at_ns = 0;  // of a software batch that is being timed
    unsigned offers = 0;
    size_t waiting_count = 0;
    std::array<CryptoOp*, kStageCapacity> waiting;
  };
  class Tally;
  using Burst = std::array<CryptoOp*, 64>;

  void give_to_devices();
  void give_to_software();
  void offer(size_t driver);
  void pass_on_refused(Lane& lane, size_t driver);
  void tend(size_t driver, uint64_t now_ns);
  void poll_software(size_t driver);
  void poll_device(size_t driver);
  void finish(CryptoOp& op, Tally& tally);
  bool answer_stands(CryptoOp& op, size_t driver, Tally& tally);
  void settle_check(CryptoOp& op);
  void redo(CryptoOp& op);
  void set_stage_limit();
  bool redo_behind(CryptoOp& op, size_t driver);
  uint64_t now_ns() const { return drivers_->options().clock->now_ns(); }

  const DriverSet* drivers_;
  std::array<DriverCounters, kMaxDrivers> counters_;
  DriverSelect select_{counters_};
  AnswerChecks checks_;
  size_t devices_ = 0;
  size_t staged_count_ = 0;
  size_t stage_limit_ = kStageCapacity;
  size_t counted_ = 0;  // of the staged ones, those that outstanding_ counts
  size_t outstanding_ = 0;
  size_t in_flight_ = 0;
  size_t finished_ = 0;
  std::array<CryptoOp*, kStageCapacity> staged_;
  size_t redo_head_ = 0;
  size_t redo_count_ = 0;
  std::unique_ptr<std::array<CryptoOp*, kMostOutstanding>> redo_;
  std::array<Lane, kMaxDrivers> lanes_;
};

}  // namespace sluice
