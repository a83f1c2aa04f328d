// Ranges are said to whoever is outside them.
#include "control/rekey_words.h"

namespace sluice {
namespace {

constexpr uint64_t kNsPerSecond = 1000000000;
constexpr uint64_t kMostSeconds = ~uint64_t{0} / kNsPerSecond;

std::string out_of(const char* what, const LimitRange& range) {
  return std::string(what) + " is not in " + std::to_string(range.least) + ".." + std::to_string(range.most);
}

}  // namespace

ResultOrText<RekeyLimits> router_rekey_limits(unsigned minutes, unsigned megabytes) {
  if (!kRekeyMinutes.contains(minutes)) return fail(out_of("the rekey time in minutes", kRekeyMinutes));
  if (!kRekeyMegabytes.contains(megabytes)) return fail(out_of("the rekey volume in megabytes", kRekeyMegabytes));
  return own_rekey_limits(uint64_t{minutes} * 60, uint64_t{megabytes} << 20);
}

ResultOrText<RekeyLimits> own_rekey_limits(uint64_t seconds, uint64_t bytes) {
  if (seconds < kLeastRekeySeconds || seconds > kMostSeconds) return fail("the rekey time is at least one second");
  if (bytes < kLeastRekeyBytes) return fail("the rekey volume is at least one mebibyte");
  RekeyLimits limits;
  limits.volume_bytes = bytes;
  limits.time_ns = seconds * kNsPerSecond;
  return limits;
}

}  // namespace sluice
