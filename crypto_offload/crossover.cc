// Timing two drivers against each other at 1, 2, 4, 8 and 16 records at hand.
#include "crypto_offload/crossover.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

#include "base/check.h"
#include "base/random.h"

namespace sluice {
namespace {

constexpr size_t kMostAtHand = 16;
constexpr std::array<size_t, 5> kSteps{1, 2, 4, 8, 16};
constexpr std::array<uint32_t, kSizeClasses> kSizes{512, 16384};
// The best of a few: other work on the machine only ever makes a run slower.
constexpr int kRounds = 3;
constexpr size_t kSpacing = 16384 + 256;

// A driver of its own with a key and buffers, so that nothing of a worker is touched.
class Trial {
 public:
  Trial(std::unique_ptr<CryptoDriver> driver, const CipherSuite& suite) : driver_(std::move(driver)) {
    std::array<uint8_t, kMaxKeyBytes> cipher_key{}, mac_key{};
    std::array<uint8_t, kMaxIvBytes> iv{};
    fill_random(cipher_key);  // 3DES would refuse a key of equal thirds
    auto key =
        driver_->prepare(suite, Direction::seal,
                         {Bytes(cipher_key).first(suite.cipher->key_bytes), Bytes(iv).first(suite.cipher->iv_bytes),
                          Bytes(mac_key).first(suite.mac ? suite.mac->key_bytes : 0)});
    if (key) key_ = std::move(*key);
    memory_.resize(kMostAtHand * kSpacing);
  }

  bool usable() const { return key_ != nullptr; }

  double seconds(uint32_t length, size_t at_hand) {
    double best = 1e9;
    for (int round = 0; round < kRounds; ++round) best = std::min(best, once(length, at_hand));
    return best;
  }

 private:
  double once(uint32_t length, size_t at_hand) {
    std::array<CryptoOp*, kMostAtHand> pointers;
    for (size_t i = 0; i < at_hand; ++i) {
      uint8_t* record = memory_.data() + i * kSpacing + 64;
      ops_[i] = {key_.get(), record, record, record + length, length, 0, {}, OpStatus::pending, Direction::seal, 0, {}};
      pointers[i] = &ops_[i];
    }
    const auto start = std::chrono::steady_clock::now();
    size_t taken = 0;
    size_t done = 0;
    std::array<CryptoOp*, kMostAtHand> finished;
    while (done < at_hand) {
      taken += driver_->submit({pointers.data() + taken, at_hand - taken});
      done += driver_->poll(finished);
    }
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  std::unique_ptr<CryptoDriver> driver_;
  std::unique_ptr<PreparedKey> key_;
  std::vector<uint8_t> memory_;
  std::array<CryptoOp, kMostAtHand> ops_{};
};

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
    const double each = alone.seconds(length, 4) / 4;
    pays[size] = kNever;
    // Downwards: lanes must win at this number and at every larger one.
    for (auto step = kSteps.rbegin(); step != kSteps.rend(); ++step) {
      if (lanes.seconds(length, *step) > each * static_cast<double>(*step)) break;
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
