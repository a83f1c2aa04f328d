// The cryptodev driver: records sealed and opened by one queue pair of a DPDK crypto device.
#pragma once

#include <memory>

#include "crypto_offload/crypto_driver.h"
#include "drivers/cryptodev_device.h"

namespace sluice {

ResultOrText<std::unique_ptr<CryptoDriver>> make_cryptodev_driver(CryptodevDevice& device);

}  // namespace sluice
