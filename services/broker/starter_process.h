// The starter: a process that forked off before there were keys and threads, and from which every broker is forked.
#pragma once

#include "services/broker/broker_process.h"

namespace sluice {

// Brokers at one time; each is a process.
inline constexpr size_t kMaxBrokers = 4096;
// Links that wait for a broker that is being started.
inline constexpr size_t kMaxWaitingLinks = 1024;

// Serves orders until the monitor's end is closed.
void run_starter(UniqueFd orders, const StarterSettings& settings, const DigestMaker& digests);

}  // namespace sluice
