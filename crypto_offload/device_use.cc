// Measuring a device against software at a few record lengths.
#include "crypto_offload/device_use.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <mutex>
#include <tuple>

#include "crypto_offload/trial.h"

namespace sluice {
namespace {

constexpr std::array<uint32_t, 5> kSizes{256, 1024, 4096, 16384, Trial::kLongest - 64};
constexpr size_t kAtHand = Trial::kMostAtHand;

std::string text(const char* format, double a, double b) {
  std::array<char, 160> line;
  const int n = std::snprintf(line.data(), line.size(), format, a * 1e6, b * 1e6);
  return {line.data(), static_cast<size_t>(n)};
}

// The fastest software for a batch: what the records would otherwise be sealed by.
double software_seconds(std::vector<std::unique_ptr<Trial>>& software, uint32_t length) {
  double best = 1e9;
  for (auto& trial : software) best = std::min(best, trial->times(length, kAtHand).elapsed_s);
  return best;
}

DeviceUse measure(const DriverSet& drivers, size_t device, const CipherSuite& suite) {
  auto own = drivers[device].sibling();
  if (!own) return {true, kPaysFromUnmeasured, "not measured: the device has no second queue to measure with"};
  const uint32_t longest = own->supports(suite).longest;
  Trial offload(std::move(own), suite);
  if (!offload.usable()) return {false, 0, "takes no keys to measure with"};
  std::vector<std::unique_ptr<Trial>> software;
  for (size_t i = 0; i < drivers.size(); ++i) {
    if (drivers[i].kind() != DriverKind::software || !drivers[i].supports(suite).yes) continue;
    auto sibling = drivers[i].sibling();
    if (sibling) software.push_back(std::make_unique<Trial>(std::move(sibling), suite));
  }
  if (software.empty()) return {true, kPaysFromUnmeasured, "not measured: no software to compare with"};
  DeviceUse use{false, 0, "does not pay"};
  // Downwards: it must pay at a length and at every larger one.
  for (auto size = kSizes.rbegin(); size != kSizes.rend(); ++size) {
    const uint32_t length = *size + suite.encrypted_from;
    if (length > longest) continue;
    const double alone = software_seconds(software, length);
    const Trial::Times times = offload.times(length, kAtHand);
    const bool pays = times.worker_s < alone && times.elapsed_s < kDevicePatience * alone;
    if (!pays && !use.yes) {
      use.reason = "does not pay: 16 records of " + std::to_string(*size) +
                   text(" bytes take %.1f us there and %.1f us in software", times.elapsed_s, alone);
    }
    if (!pays) break;
    use = {true, length,
           "16 records take" + text(" %.1f us of the worker there, %.1f us in software", times.worker_s, alone)};
  }
  if (use.yes && use.from_bytes == kSizes.front() + suite.encrypted_from) use.from_bytes = 0;
  return use;
}

}  // namespace

DeviceUse device_use(const DriverSet& drivers, size_t device, const CipherSuite& suite) {
  const OffloadOptions& options = drivers.options();
  switch (options.policy) {
    case OffloadPolicy::software: return {false, 0, "policy software"};
    case OffloadPolicy::hardware: return {true, 0, "policy hardware"};
    case OffloadPolicy::adaptive: break;
  }
  if (options.pays_from_bytes) return {true, *options.pays_from_bytes, "as configured"};
  static std::mutex mutex;
  static std::map<std::pair<std::string, uint8_t>, DeviceUse> known;
  const std::lock_guard lock(mutex);
  const auto [entry, is_new] = known.try_emplace({std::string(drivers[device].name()), suite.id});
  if (is_new) entry->second = measure(drivers, device, suite);
  return entry->second;
}

std::vector<std::string> explain_choice(const DriverSet& drivers, const CipherSuite& suite) {
  std::vector<std::string> lines;
  for (size_t i = 0; i < drivers.size(); ++i) {
    const Support support = drivers[i].supports(suite);
    std::string line(drivers[i].name());
    if (!support.yes) {
      line += ": no: " + support.reason;
    } else if (drivers[i].kind() == DriverKind::software) {
      line += ": yes";
    } else if (const DeviceUse use = device_use(drivers, i, suite); !use.yes) {
      line += ": no: " + use.reason;
    } else {
      line += ": from " + std::to_string(use.from_bytes) + " bytes: " + use.reason;
      if (drivers.is_out(i)) line += "; out of service now";
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace sluice
