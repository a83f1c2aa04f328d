// The starter: a process that forked off before there were keys and threads, and from which every broker is forked.
#pragma once

#include "services/broker/broker_process.h"

namespace sluice {

// Links that wait for a broker that is being started.
inline constexpr size_t kMaxWaitingLinks = 1024;

// Serves orders until the monitor's end is closed.
void run_starter(UniqueFd orders, const StarterSettings& settings, const DigestMaker& digests);

}  // namespace sluice
