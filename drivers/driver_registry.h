// Which crypto drivers this build and machine have, and the set that a worker runs with.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "crypto_offload/driver_set.h"

namespace sluice {

struct DriverNote {
  std::string name;
  bool present;        // usable without anything being loaded or configured for it
  std::string reason;  // when not present
};

// Every driver known to the source, with the reason for those that this build or CPU lacks.
std::vector<DriverNote> driver_notes();

// `name` as in SLUICE_CRYPTO_DRIVER: ipsec_mb, openssl, openssl:ENGINE[,COMMAND=VALUE...] (id or path), cryptodev (the
// first device), cryptodev:DEVICE (see DpdkModule::make_driver), and for tests and planning
// sim:PROFILE[,OPTION=VALUE...].
ResultOrText<std::unique_ptr<CryptoDriver>> make_driver(const std::string& name);

// The drivers of one worker, best first and openssl last. `only` (empty: automatic) restricts it to one; what cannot be
// met is an error, never a quiet fallback.
ResultOrText<std::unique_ptr<DriverSet>> make_driver_set(const std::string& only);
// Devices in front of all software that there is.
ResultOrText<std::unique_ptr<DriverSet>> make_driver_set_with(std::vector<std::unique_ptr<CryptoDriver>> devices,
                                                              const OffloadOptions& options);
// With `only` from the environment variable SLUICE_CRYPTO_DRIVER.
ResultOrText<std::unique_ptr<DriverSet>> make_driver_set_from_environment();

}  // namespace sluice
