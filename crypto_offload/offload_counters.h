// What drivers did for each suite, and why a device did not get a record: counted by the worker, read by anybody.
#pragma once

#include <memory>
#include <vector>

#include "base/counter.h"
#include "crypto_offload/cipher_suite.h"

namespace sluice {

// Why a record that a device supports did not go to it.
enum class PassedOver : uint8_t { too_small, beyond_limits, queue_full, out_of_service, count_ };
inline constexpr size_t kPassedOver = static_cast<size_t>(PassedOver::count_);

constexpr std::string_view reason_name(PassedOver reason) {
  switch (reason) {
    case PassedOver::too_small: return "too small to pay";
    case PassedOver::beyond_limits: return "beyond the device's limits";
    case PassedOver::queue_full: return "queue full";
    case PassedOver::out_of_service: return "out of service";
    case PassedOver::count_: break;
  }
  return "?";
}

struct SuiteCounters {
  Counter records;  // answers, right or bad_tag
  Counter bytes;
  Counter errors;   // ops that came back undone
  Counter redone;   // ops that never came back
  Counter checked;  // answers compared with software's
  Counter wrong;    // and found to be wrong
  std::array<Counter, kPassedOver> passed_over;
  // From submit to poll. A device: each op. Software: one batch in sixteen, since reading a clock takes as long as
  // sealing a small record.
  LatencyHistogram latency;
};

class DriverCounters {
 public:
  DriverCounters() : suites_(std::make_unique<std::array<SuiteCounters, kMaxSuites>>()) {}
  SuiteCounters& suite(uint8_t id) { return (*suites_)[id]; }
  const SuiteCounters& suite(uint8_t id) const { return (*suites_)[id]; }

  Counter outages;
  Counter returns;
  Counter failed_probes;
  std::atomic<uint64_t> held{0};  // by a device, as of the last turn

 private:
  std::unique_ptr<std::array<SuiteCounters, kMaxSuites>> suites_;
};

}  // namespace sluice
