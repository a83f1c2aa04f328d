// Operator's limits advise, the cipher's own limits decide.
#include "dataplane/rekey_policy.h"

#include <algorithm>

namespace sluice {
namespace {

// A key is replaced at this share of its cipher's limit, so that the exchange ends well before the limit is reached.
constexpr uint64_t kSoftNumerator = 3;
constexpr uint64_t kSoftDenominator = 4;
// RFC 4253 section 9 wants a new key long before sequence numbers repeat: beyond the advised 2^31 records is one more
// 2^30 of grace for a peer that is slow to answer.
constexpr uint64_t kRecordGrace = uint64_t{1} << 30;

}  // namespace

RekeyAdvice rekey_advice(const CipherSuite& suite, const KeyUse& use, const RekeyLimits& limits) {
  if (suite.is_plain()) return RekeyAdvice::keep;
  if (use.bytes >= suite.byte_limit || use.records >= suite.record_limit + kRecordGrace) return RekeyAdvice::refuse;
  const uint64_t bytes = std::min(limits.volume_bytes, suite.byte_limit / kSoftDenominator * kSoftNumerator);
  const uint64_t records = std::min(limits.records, suite.record_limit);
  const bool due = use.bytes >= bytes || use.records >= records || use.age_ns >= limits.time_ns;
  return due ? RekeyAdvice::rekey : RekeyAdvice::keep;
}

}  // namespace sluice
