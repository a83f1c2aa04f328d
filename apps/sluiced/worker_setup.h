// What each worker gets before it runs: drivers of its own, a core.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "base/result.h"
#include "control/config/server_settings.h"
#include "dataplane/worker.h"
#include "drivers/driver_registry.h"

namespace sluice {

ResultOrText<std::unique_ptr<DriverSet>> make_drivers(const OffloadSettings& offload);
// The n-th core of a list as 0-3,6; of all that we may run on where the list is empty or names none of them.
void pin(std::thread& thread, size_t n, const std::string& list);

std::vector<std::unique_ptr<Worker>> make_workers(const std::vector<std::unique_ptr<DriverSet>>& drivers,
                                                  const WorkerSettings& settings);
std::vector<ControlPort*> ports_of(const std::vector<std::unique_ptr<Worker>>& workers);
RekeyLimits rekey_limits(const RekeySettings& rekey);

}  // namespace sluice
