// What a broker does with files that may take long: copies and hashes of ranges. Run on a side thread, given up at once
// when nobody wants them any more.
#pragma once

#include <atomic>

#include "services/broker/broker_protocol.h"
#include "services/broker/file_digest.h"
#include "services/broker/file_operations.h"

namespace sluice {

// The draft's smallest: smaller blocks would make more hash than data.
inline constexpr uint32_t kMinHashBlock = 256;

Outcome<void> copy_range(int from, int to, const CopyData& range, const std::atomic<bool>& cancelled);
Outcome<Hashes> hash_range(int descriptor, const CheckFile& range, const DigestMaker& digests,
                           const std::atomic<bool>& cancelled);

}  // namespace sluice
