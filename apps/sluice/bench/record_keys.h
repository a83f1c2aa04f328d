// Drivers by name, and keys that both ends of a measurement know.
#pragma once

#include <memory>
#include <string>

#include "crypto_offload/key_epoch.h"
#include "drivers/driver_registry.h"

namespace sluice::bench {

// A name of the registry, `null`, or `auto`; one that is not available is the caller's fault.
std::unique_ptr<DriverSet> drivers_named(const std::string& name);
// The bytes do not matter: both directions of a generation have the same.
std::unique_ptr<KeyEpoch> known_epoch(const CipherSuite& suite, Direction direction, const DriverSet& drivers,
                                      uint64_t generation = 0);
// A message of data, as CHANNEL_DATA begins; and one that turns keys.
inline constexpr uint8_t kDataMessage = 94;
inline constexpr uint8_t kNewKeysMessage = 21;

}  // namespace sluice::bench
