// Which driver gets a record: by suite, size, records at hand, and the state of the devices.
//
// A device first, if one takes it; else software: the multi-buffer lanes for many records, single-buffer code for few.
// The last candidate is software that takes everything.
#pragma once

#include <algorithm>
#include <array>
#include <span>

#include "crypto_offload/key_epoch.h"
#include "crypto_offload/offload_counters.h"

namespace sluice {

class DriverSelect {
 public:
  explicit DriverSelect(std::array<DriverCounters, kMaxDrivers>& counters) : counters_(counters) {}

  // Bit i: driver i is a device in service.
  void set_in_service(size_t driver, bool yes) {
    in_service_ = static_cast<uint8_t>(yes ? in_service_ | 1u << driver : in_service_ & ~(1u << driver));
  }

  // Null when no device takes it; the reason is counted.
  const KeyEpoch::Candidate* device(const CryptoOp& op);

  // Records that could share multi-buffer lanes: those with the same MAC.
  void count_at_hand(std::span<CryptoOp* const> ops);
  const KeyEpoch::Candidate& software(const CryptoOp& op) const;

 private:
  std::array<DriverCounters, kMaxDrivers>& counters_;
  std::array<unsigned, kMacKinds> at_hand_{};
  uint8_t in_service_ = 0;
};

inline void DriverSelect::count_at_hand(std::span<CryptoOp* const> ops) {
  at_hand_ = {};
  for (const CryptoOp* op : ops) ++at_hand_[static_cast<size_t>(op->key->epoch->suite().mac_kind())];
}

inline const KeyEpoch::Candidate& DriverSelect::software(const CryptoOp& op) const {
  const KeyEpoch& epoch = *op.key->epoch;
  const auto& candidates = epoch.candidates();
  const unsigned at_hand = at_hand_[static_cast<size_t>(epoch.suite().mac_kind())];
  const auto size = static_cast<size_t>(size_class(op.length));
  for (size_t i = std::max<size_t>(op.attempts, epoch.devices()); i + 1 < candidates.size(); ++i) {
    const KeyEpoch::Candidate& candidate = candidates[i];
    if (candidate.pays_from[size] > at_hand || op.length > candidate.longest) continue;
    if (counter_wraps(op, epoch.suite(), candidate.counter_bits)) continue;
    return candidate;
  }
  return candidates.back();
}

}  // namespace sluice
