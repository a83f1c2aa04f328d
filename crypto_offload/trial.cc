// One batch in, all of it out, against the clock.
#include "crypto_offload/trial.h"

#include <algorithm>
#include <limits>

#include "base/clock.h"
#include "base/random.h"

namespace sluice {
namespace {

constexpr int kRounds = 3;
constexpr size_t kSpacing = Trial::kLongest + 256;
// A device that hangs must not hang control.
constexpr uint64_t kPatienceNs = 50'000'000;
constexpr double kForever = std::numeric_limits<double>::infinity();

double seconds(uint64_t ns) { return static_cast<double>(ns) * 1e-9; }

}  // namespace

Trial::Trial(std::unique_ptr<CryptoDriver> driver, const CipherSuite& suite) : driver_(std::move(driver)) {
  std::array<uint8_t, kMaxKeyBytes> cipher_key{}, mac_key{};
  std::array<uint8_t, kMaxIvBytes> iv{};
  fill_random(cipher_key);  // 3DES would refuse a key of equal thirds
  auto key =
      driver_->prepare(suite, Direction::seal,
                       {Bytes(cipher_key).first(suite.cipher->key_bytes), Bytes(iv).first(suite.cipher->iv_bytes),
                        Bytes(mac_key).first(suite.mac ? suite.mac->key_bytes : 0)});
  if (key) key_ = std::move(*key);
  source_.resize(kMostAtHand * kSpacing);
  if (driver_->placement() == Placement::separate) target_.resize(source_.size());
}

Trial::Times Trial::times(uint32_t length, size_t at_hand) {
  Times best{kForever, kForever};
  for (int round = 0; round < kRounds && !hangs_; ++round) {
    const Times run = once(length, at_hand);
    best.elapsed_s = std::min(best.elapsed_s, run.elapsed_s);
    best.worker_s = std::min(best.worker_s, run.worker_s);
  }
  return hangs_ ? Times{kForever, kForever} : best;
}

Trial::Times Trial::once(uint32_t length, size_t at_hand) {
  std::array<CryptoOp*, kMostAtHand> pointers;
  auto& targets = target_.empty() ? source_ : target_;
  for (size_t i = 0; i < at_hand; ++i) {
    const size_t at = i * kSpacing + 64;
    uint8_t* dst = targets.data() + at;
    ops_[i] = {key_.get(), source_.data() + at, dst, dst + length, length, 0, {}, OpStatus::pending, Direction::seal, 0,
               {}};
    pointers[i] = &ops_[i];
  }
  const Clock& clock = monotonic_clock();
  const uint64_t start = clock.now_ns();
  uint64_t before = start;
  uint64_t busy = 0;
  size_t taken = 0;
  size_t done = 0;
  std::array<CryptoOp*, kMostAtHand> finished;
  while (done < at_hand) {
    const size_t took = driver_->submit({pointers.data() + taken, at_hand - taken});
    const size_t gave = driver_->poll(finished);
    const uint64_t now = clock.now_ns();
    if (took + gave > 0) busy += now - before;
    before = now;
    taken += took;
    done += gave;
    if (done < at_hand && now - start > kPatienceNs) {
      hangs_ = true;
      while (!driver_->stop() && clock.now_ns() - start < 2 * kPatienceNs) {}
      break;
    }
  }
  return {seconds(before - start), seconds(busy)};
}

}  // namespace sluice
