// A load of logins from this process: our own client machine, as many connections as asked, one after another and
// several at once.
#pragma once

#include <cstdint>
#include <string>

#include "control/keys/private_key.h"

namespace sluice::bench {

// Seconds that it took. A login that fails ends the process.
double run_logins(uint16_t port, const std::string& user, const PrivateKey& key, size_t count, size_t at_once);

}  // namespace sluice::bench
