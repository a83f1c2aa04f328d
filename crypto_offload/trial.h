// Timing a driver with an instance, a key and buffers of its own, so that nothing of a worker is touched.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "crypto_offload/crypto_driver.h"

namespace sluice {

class Trial {
 public:
  static constexpr size_t kMostAtHand = 16;
  static constexpr uint32_t kLongest = 32768;

  struct Times {
    double elapsed_s;  // until the last record was back
    double worker_s;   // in calls that took or gave back records
  };

  Trial(std::unique_ptr<CryptoDriver> driver, const CipherSuite& suite);
  bool usable() const { return key_ != nullptr; }

  // The best of a few runs of sealing that many records of a length: other work on the machine only ever makes a run
  // slower. A driver that does not answer is infinitely slow, and not asked again.
  Times times(uint32_t length, size_t at_hand);

 private:
  Times once(uint32_t length, size_t at_hand);

  bool hangs_ = false;
  std::vector<uint8_t> source_;
  std::vector<uint8_t> target_;  // empty where the driver works in place
  std::array<CryptoOp, kMostAtHand> ops_{};
  // Gone before the memory is: a device may write to it until then.
  std::unique_ptr<CryptoDriver> driver_;
  std::unique_ptr<PreparedKey> key_;
};

}  // namespace sluice
