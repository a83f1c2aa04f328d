// What an operator or a test may say about the use of crypto devices.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.h"

namespace sluice {

enum class OffloadPolicy : uint8_t {
  software,  // devices are never used
  hardware,  // the device whenever it supports the suite and its limits admit the record
  adaptive,  // the device while it has room and it pays; the overflow goes to software at once
};

constexpr std::string_view policy_name(OffloadPolicy policy) {
  switch (policy) {
    case OffloadPolicy::software: return "software";
    case OffloadPolicy::hardware: return "hardware";
    case OffloadPolicy::adaptive: return "adaptive";
  }
  return "?";
}

constexpr std::optional<OffloadPolicy> find_policy(std::string_view name) {
  for (const auto policy : {OffloadPolicy::software, OffloadPolicy::hardware, OffloadPolicy::adaptive}) {
    if (policy_name(policy) == name) return policy;
  }
  return std::nullopt;
}

inline constexpr uint64_t kMillisecond = 1'000'000;

struct OffloadOptions {
  OffloadPolicy policy = OffloadPolicy::adaptive;
  // Adaptive: the device from this record length on, for every suite, instead of a measurement.
  std::optional<uint32_t> pays_from_bytes{};
  // Multi-buffer lanes from so many records at hand on, for every suite, instead of a measurement: what a run that is
  // to be repeated exactly needs.
  std::optional<uint8_t> lanes_pay_from{};

  // One in so many results of a device is compared with software's, which is then used; 1: each, 0: none.
  uint32_t verify_one_in = 0;
  // And each of the first ones after a start: a device proves itself before it is trusted.
  uint32_t verify_first = 32;

  // An op that is not back by then means that the device hangs. A hundred times what a slow device takes, and a
  // fifth of the pause that a user of a bulk transfer would be allowed to see.
  uint64_t deadline_ns = 20 * kMillisecond;
  // Errors within a second until it is taken out of service, and how many of them one proven wrong result weighs.
  uint32_t error_limit = 16;
  uint32_t wrong_weight = 8;
  // From out of service to the first probe; doubled at each failure, so that a flapping device costs ever less.
  uint64_t probe_after_ns = 100 * kMillisecond;
  uint64_t probe_at_most_ns = 10'000 * kMillisecond;

  const Clock* clock = &monotonic_clock();
};

}  // namespace sluice
