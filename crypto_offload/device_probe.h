// A record of our own whose sealed form is known: what a device that was taken out of service must get right before it
// is trusted again.
//
// The key is random and seals nothing else. While the device has the op, its memory is quarantined like any other.
#pragma once

#include <memory>
#include <vector>

#include "crypto_offload/crypto_driver.h"

namespace sluice {

class DeviceProbe {
 public:
  // Null when there is no suite that both serve. `software` is idle and works at once.
  static std::unique_ptr<DeviceProbe> prepare(CryptoDriver& device, CryptoDriver& software);

  // Ready to be submitted.
  CryptoOp& arm();
  bool is(const CryptoOp* op) const { return op == &op_; }
  bool answered_right() const;

 private:
  DeviceProbe() = default;

  std::vector<uint8_t> source_;
  std::vector<uint8_t> target_;
  std::vector<uint8_t> expected_;
  CryptoOp template_{};
  CryptoOp op_{};
  std::unique_ptr<PreparedKey> key_;
};

}  // namespace sluice
