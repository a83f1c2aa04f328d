// Limits, thresholds and the number at hand, in this order.
#include "crypto_offload/driver_select.h"

namespace sluice {

const KeyEpoch::Candidate* DriverSelect::device(const CryptoOp& op) {
  const KeyEpoch& epoch = *op.key->epoch;
  for (size_t i = op.attempts; i < epoch.devices(); ++i) {
    const KeyEpoch::Candidate& candidate = epoch.candidates()[i];
    PassedOver why;
    if (op.length < candidate.pays_from_bytes) {
      why = PassedOver::too_small;
    } else if (op.length > candidate.longest || counter_wraps(op, epoch.suite(), candidate.counter_bits)) {
      why = PassedOver::beyond_limits;
    } else if ((in_service_ >> candidate.driver & 1u) == 0) {
      why = PassedOver::out_of_service;
    } else {
      return &candidate;
    }
    counters_[candidate.driver].suite(epoch.suite().id).passed_over[static_cast<size_t>(why)].add();
  }
  return nullptr;
}

}  // namespace sluice
