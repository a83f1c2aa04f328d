// Three tries, then one after half a minute, a minute, and so on to a quarter of an hour.
#include "control/management/enable_guard.h"

#include <algorithm>

namespace sluice {
namespace {

// Those of one `enable`, as the routers ask.
constexpr unsigned kFreeTries = 3;
constexpr uint64_t kFirstWaitMs = 30'000, kMostWaitMs = 900'000;
// Names are of people who have logged in; more of them than this are not remembered at a time.
constexpr size_t kMostNames = 4096;
constexpr unsigned kMostDoublings = 5;

}  // namespace

unsigned EnableGuard::begin(const std::string& name, uint64_t now_ms) {
  if (!tries_.contains(name) && tries_.size() >= kMostNames) {
    // Whoever has waited for longest.
    const auto oldest = std::min_element(
        tries_.begin(), tries_.end(), [](const auto& a, const auto& b) { return a.second.next_ms < b.second.next_ms; });
    tries_.erase(oldest);
  }
  Tries& tries = tries_[name];
  if (now_ms < tries.next_ms) return static_cast<unsigned>((tries.next_ms - now_ms + 999) / 1000);
  ++tries.failed;
  if (tries.failed >= kFreeTries) {
    const unsigned doublings = std::min(tries.failed - kFreeTries, kMostDoublings);
    tries.next_ms = now_ms + std::min(kFirstWaitMs << doublings, kMostWaitMs);
  }
  return 0;
}

}  // namespace sluice
