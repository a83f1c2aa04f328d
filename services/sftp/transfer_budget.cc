// A bucket that fills with time, up to a tenth of a second's bytes.
#include "services/sftp/transfer_budget.h"

#include <algorithm>

namespace sluice {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kBurst = 10;  // of a second

}  // namespace

uint64_t TransferBudget::wait_ns(uint64_t now_ns) {
  if (rate_ == 0) return 0;
  const auto burst = static_cast<int64_t>(std::max<uint64_t>(rate_ / kBurst, 1));
  if (filled_ns_ == 0) {
    filled_ns_ = now_ns;
    left_ = burst;
  }
  // Over a longer pause than this the bucket is full, and the product below does not overflow.
  const uint64_t passed = std::min(now_ns - filled_ns_, 10 * kSecond);
  const uint64_t more = static_cast<uint64_t>(static_cast<double>(rate_) * static_cast<double>(passed) / kSecond);
  if (more > 0) {
    filled_ns_ = now_ns;
    left_ = std::min(left_ + static_cast<int64_t>(more), burst);
  }
  if (left_ > 0) return 0;
  return static_cast<uint64_t>(static_cast<double>(1 - left_) / static_cast<double>(rate_) * kSecond) + 1;
}

}  // namespace sluice
