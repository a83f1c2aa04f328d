// Which brokers there are, by what the kernel says of the processes below their starter.
#pragma once

#include <sys/types.h>

#include <vector>

#include "control/management/broker_facts.h"

namespace sluice {

// Reads /proc: not for a thread that others wait for.
std::vector<BrokerFacts> brokers_below(pid_t starter);

}  // namespace sluice
