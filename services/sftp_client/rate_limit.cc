// A bucket that fills with time, up to a tenth of a second's bytes.
#include "services/sftp_client/rate_limit.h"

#include <algorithm>

namespace sluice {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kBurst = 10;  // of a second

}  // namespace

uint64_t RateLimit::wait_ns(uint64_t now_ns) {
  if (rate_ == 0) return 0;
  const std::lock_guard held(lock_);
  const auto burst = static_cast<int64_t>(std::max<uint64_t>(rate_ / kBurst, 1));
  if (filled_ns_ == 0) {
    filled_ns_ = now_ns;
    left_ = burst;
  }
  // Another worker's clock may be a little ahead. A long pause only fills the bucket.
  const uint64_t passed = now_ns < filled_ns_ ? 0 : std::min(now_ns - filled_ns_, 10 * kSecond);
  const auto more = static_cast<int64_t>(static_cast<double>(rate_) * static_cast<double>(passed) / kSecond);
  if (more > 0) {
    filled_ns_ = now_ns;
    left_ = std::min(left_ + more, burst);
  }
  if (left_ > 0) return 0;
  return static_cast<uint64_t>(static_cast<double>(1 - left_) / static_cast<double>(rate_) * kSecond) + 1;
}

void RateLimit::spend(uint64_t bytes) {
  const std::lock_guard held(lock_);
  left_ -= static_cast<int64_t>(bytes);
}

}  // namespace sluice
