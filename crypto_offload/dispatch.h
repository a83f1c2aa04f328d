// A worker's hand-over between sessions and drivers: collects ops of all sessions, chooses a driver for each, submits
// in batches, polls, and sends what a driver could not do to the next one.
//
// Steps of a turn: sessions stage(); submit() chooses by how many records are at hand and hands each driver its batch;
// poll() takes back what is finished. Ops complete in any order; order is the business of each session's ring.
#pragma once

#include <array>

#include "crypto_offload/key_epoch.h"

namespace sluice {

// Staged and not yet taken by a driver, in all sessions of a worker. A full stage is back-pressure, not loss.
inline constexpr size_t kStageCapacity = 512;

class Dispatch {
 public:
  explicit Dispatch(const DriverSet& drivers);

  // False when full: the session keeps the op and stages it on its next turn.
  bool full() const { return staged_count_ == kStageCapacity; }
  bool stage(CryptoOp& op) {
    if (staged_count_ == kStageCapacity) return false;
    staged_[staged_count_++] = &op;
    return true;
  }
  void submit();
  // Returns how many ops were finished; their status says how.
  size_t poll();

  // Ops that a driver has taken since the start.
  uint64_t taken_by(size_t driver) const { return lanes_[driver].taken; }
  size_t in_flight() const { return in_flight_; }
  const DriverSet& drivers() const { return *drivers_; }

 private:
  struct Lane {
    CryptoDriver* driver = nullptr;
    uint64_t taken = 0;
    size_t waiting_count = 0;
    std::array<CryptoOp*, kStageCapacity> waiting;
  };

  const KeyEpoch::Candidate& choose(const CryptoOp& op) const;
  void count_at_hand();
  void offer(Lane& lane);
  void finish(CryptoOp& op, size_t driver);
  bool retry_elsewhere(CryptoOp& op, size_t driver);

  const DriverSet* drivers_;
  size_t staged_count_ = 0;
  size_t in_flight_ = 0;
  size_t finished_ = 0;
  std::array<CryptoOp*, kStageCapacity> staged_;
  // Records that could share multi-buffer lanes: those with the same MAC.
  std::array<unsigned, kMacKinds> at_hand_{};
  std::array<Lane, kMaxDrivers> lanes_;
};

}  // namespace sluice
