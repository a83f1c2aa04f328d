// One direction's current key epoch, the next one waiting for NEWKEYS, and old ones that still drain.
#pragma once

#include <array>
#include <memory>

#include "base/check.h"
#include "crypto_offload/key_epoch.h"

namespace sluice {

// Epochs that may drain at once. A peer cannot make more: a turn needs a whole key exchange, and records of the
// epoch before the last are committed by then.
inline constexpr size_t kMaxDraining = 4;

class EpochTurn {
 public:
  explicit EpochTurn(Direction direction) : current_(KeyEpoch::plain(direction)) {}

  KeyEpoch& current() const { return *current_; }
  KeyEpoch* next() const { return next_.get(); }
  bool parked() const { return parked_; }
  bool can_turn() const { return drained_slot() != kMaxDraining; }

  // True when a parked path can go on with it at once.
  bool install(std::unique_ptr<KeyEpoch> epoch) {
    SLUICE_CHECK(next_ == nullptr);
    next_ = std::move(epoch);
    if (!parked_) return false;
    parked_ = false;
    turn();
    return true;
  }

  // False when there is no next epoch: parked until install().
  bool turn() {
    if (!next_) {
      parked_ = true;
      return false;
    }
    const size_t slot = drained_slot();
    SLUICE_CHECK(slot != kMaxDraining);
    current_->retire();
    draining_[slot] = std::move(current_);
    current_ = std::move(next_);
    return true;
  }

  // The same keys, where they stand, on other drivers. Nothing is in flight.
  ResultOrText<void> move_to(const DriverSet& drivers) {
    for (auto* epoch : {&current_, &next_}) {
      if (!*epoch || (*epoch)->suite().is_plain()) continue;
      auto again = (*epoch)->prepare_again(drivers);
      if (!again) return fail(again.error());
      *epoch = std::move(*again);
    }
    return {};
  }

  // Records of all epochs that were given an IV and are not finished.
  size_t in_flight() const {
    size_t sum = current_->in_flight();
    for (const auto& epoch : draining_) sum += epoch ? epoch->in_flight() : 0;
    return sum;
  }

  // An old epoch that no op refers to any more, for control to drop.
  std::unique_ptr<KeyEpoch> take_drained() {
    for (auto& epoch : draining_) {
      if (epoch && epoch->drained()) return std::move(epoch);
    }
    return nullptr;
  }

 private:
  size_t drained_slot() const {
    size_t slot = 0;
    while (slot < kMaxDraining && draining_[slot]) ++slot;
    return slot;
  }

  std::unique_ptr<KeyEpoch> current_;
  std::unique_ptr<KeyEpoch> next_;
  std::array<std::unique_ptr<KeyEpoch>, kMaxDraining> draining_;
  bool parked_ = false;
};

}  // namespace sluice
