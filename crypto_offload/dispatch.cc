// Choosing drivers for staged ops and moving batches in and out of them.
#include "crypto_offload/dispatch.h"

#include <algorithm>

namespace sluice {

Dispatch::Dispatch(const DriverSet& drivers) : drivers_(&drivers) {
  for (size_t i = 0; i < drivers.size(); ++i) lanes_[i].driver = &drivers[i];
}

// The first candidate that the number at hand makes worth it and whose limits the record keeps; else the last.
const KeyEpoch::Candidate& Dispatch::choose(const CryptoOp& op) const {
  const KeyEpoch& epoch = *op.key->epoch;
  const auto& candidates = epoch.candidates();
  const unsigned at_hand = at_hand_[static_cast<size_t>(epoch.suite().mac_kind())];
  const auto size = static_cast<size_t>(size_class(op.length));
  for (size_t i = op.attempts; i + 1 < candidates.size(); ++i) {
    const KeyEpoch::Candidate& candidate = candidates[i];
    if (candidate.pays_from[size] > at_hand || op.length > candidate.longest) continue;
    if (counter_wraps(op, epoch.suite(), candidate.counter_bits)) continue;
    return candidate;
  }
  return candidates.back();
}

void Dispatch::count_at_hand() {
  at_hand_ = {};
  for (size_t i = 0; i < staged_count_; ++i) {
    ++at_hand_[static_cast<size_t>(staged_[i]->key->epoch->suite().mac_kind())];
  }
}

void Dispatch::submit() {
  count_at_hand();
  for (size_t i = 0; i < staged_count_; ++i) {
    CryptoOp& op = *staged_[i];
    const KeyEpoch::Candidate& chosen = choose(op);
    op.key = chosen.key.get();
    Lane& lane = lanes_[chosen.driver];
    if (lane.waiting_count == kStageCapacity) {
      // Keep the rest staged, in order, until the driver takes some.
      std::copy(staged_.begin() + static_cast<ptrdiff_t>(i), staged_.begin() + static_cast<ptrdiff_t>(staged_count_),
                staged_.begin());
      staged_count_ -= i;
      for (size_t d = 0; d < drivers_->size(); ++d) offer(lanes_[d]);
      return;
    }
    lane.waiting[lane.waiting_count++] = &op;
  }
  staged_count_ = 0;
  for (size_t d = 0; d < drivers_->size(); ++d) offer(lanes_[d]);
}

void Dispatch::offer(Lane& lane) {
  if (lane.waiting_count == 0) return;
  const size_t taken = lane.driver->submit({lane.waiting.data(), lane.waiting_count});
  SLUICE_CHECK(taken <= lane.waiting_count);
  in_flight_ += taken;
  lane.taken += taken;
  std::copy(lane.waiting.begin() + static_cast<ptrdiff_t>(taken),
            lane.waiting.begin() + static_cast<ptrdiff_t>(lane.waiting_count), lane.waiting.begin());
  lane.waiting_count -= taken;
}

size_t Dispatch::poll() {
  finished_ = 0;
  std::array<CryptoOp*, 64> done;
  for (size_t d = 0; d < drivers_->size(); ++d) {
    offer(lanes_[d]);
    size_t n;
    do {
      n = lanes_[d].driver->poll(done);
      in_flight_ -= n;
      for (size_t i = 0; i < n; ++i) finish(*done[i], d);
    } while (n == done.size());
  }
  return finished_;
}

void Dispatch::finish(CryptoOp& op, size_t driver) {
  if (op.status == OpStatus::device_error && retry_elsewhere(op, driver)) return;
  op.key->epoch->complete(op);
  ++finished_;
}

// Only from an intact source: work in place has already overwritten it.
bool Dispatch::retry_elsewhere(CryptoOp& op, size_t driver) {
  if (op.src == op.dst) return false;
  const auto& candidates = op.key->epoch->candidates();
  for (size_t i = 0; i + 1 < candidates.size(); ++i) {
    if (candidates[i].driver != driver) continue;
    op.attempts = static_cast<uint8_t>(i + 1);
    op.status = OpStatus::pending;
    if (stage(op)) return true;
  }
  return false;
}

}  // namespace sluice
