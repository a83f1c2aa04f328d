// One moment, moved on by what was spent.
#include "services/transfer/rate_limit.h"

#include <algorithm>

namespace sluice {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
// What whoever paused may move at once.
constexpr uint64_t kBurstNs = kSecond / 10;
constexpr uint64_t kLeastAtOnce = 16 * 1024, kMostAtOnce = 1 << 20;
// No debt is longer: more would not fit a clock.
constexpr uint64_t kMostCostNs = 3600 * kSecond;

}  // namespace

size_t RateLimit::most_at_once() const {
  const uint64_t bytes = rate();
  return bytes == 0 ? kMostAtOnce : std::clamp(bytes / 10, kLeastAtOnce, kMostAtOnce);
}

uint64_t RateLimit::wait_ns(uint64_t now_ns) const {
  if (!limits()) return 0;
  const uint64_t paid = paid_ns_.load(std::memory_order_relaxed);
  return paid <= now_ns ? 0 : paid - now_ns;
}

void RateLimit::spend(uint64_t bytes, uint64_t now_ns) {
  const uint64_t a_second = rate();
  if (a_second == 0) return;
  const double seconds = static_cast<double>(bytes) / static_cast<double>(a_second);
  const auto cost = static_cast<uint64_t>(std::min(seconds * kSecond, static_cast<double>(kMostCostNs)));
  // A long pause saves up no more than the burst.
  const uint64_t full = now_ns - std::min(now_ns, kBurstNs);
  uint64_t paid = paid_ns_.load(std::memory_order_relaxed);
  while (!paid_ns_.compare_exchange_weak(paid, std::max(paid, full) + cost, std::memory_order_relaxed)) {}
}

}  // namespace sluice
