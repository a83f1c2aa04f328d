// Timing two drivers against each other at 1, 2, 4, 8 and 16 records at hand.
#include "crypto_offload/crossover.h"

#include <map>
#include <mutex>
#include <string>
#include <tuple>

#include "crypto_offload/trial.h"

namespace sluice {
namespace {

constexpr std::array<size_t, 5> kSteps{1, 2, 4, 8, 16};
constexpr std::array<uint32_t, kSizeClasses> kSizes{512, 16384};

PaysFrom measure(const CryptoDriver& driver, const CryptoDriver& single, const CipherSuite& suite) {
  auto own = driver.sibling();
  auto other = single.sibling();
  if (!own || !other) return {0, 0};
  Trial lanes(std::move(own), suite);
  Trial alone(std::move(other), suite);
  if (!lanes.usable() || !alone.usable()) return {0, 0};
  PaysFrom pays{};
  for (size_t size = 0; size < kSizeClasses; ++size) {
    // A multiple of every block that counts the length field in, and four more where it is outside.
    const uint32_t length = kSizes[size] + suite.encrypted_from;
    const double each = alone.times(length, 4).elapsed_s / 4;
    pays[size] = kNever;
    // Downwards: lanes must win at this number and at every larger one.
    for (auto step = kSteps.rbegin(); step != kSteps.rend(); ++step) {
      if (lanes.times(length, *step).elapsed_s > each * static_cast<double>(*step)) break;
      pays[size] = static_cast<uint8_t>(*step);
    }
    if (pays[size] == 1) pays[size] = 0;
  }
  return pays;
}

}  // namespace

PaysFrom crossover(const CryptoDriver& driver, const CryptoDriver& single, const CipherSuite& suite) {
  if (driver.supports(suite).lanes <= 1) return {0, 0};
  static std::mutex mutex;
  static std::map<std::tuple<std::string, std::string, uint8_t>, PaysFrom> known;
  const std::lock_guard lock(mutex);
  const auto [entry, is_new] = known.try_emplace({std::string(driver.name()), std::string(single.name()), suite.id});
  if (is_new) entry->second = measure(driver, single, suite);
  return entry->second;
}

}  // namespace sluice
