// Devices by name, cores by number.
#include "apps/sluiced/worker_setup.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <mutex>
#include <set>
#include <vector>

#include "base/log.h"
#include "control/config/value_kind.h"

namespace sluice {
namespace {

// Those of a list as 0-3,6 that we may run on; all where the list names none of them.
cpu_set_t allowed_cores(const std::string& list) {
  cpu_set_t allowed, chosen;
  CPU_ZERO(&allowed);
  CPU_ZERO(&chosen);
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return chosen;
  const std::vector<unsigned> wanted = core_numbers(list);
  for (const unsigned core : wanted)
    if (core < CPU_SETSIZE && CPU_ISSET(core, &allowed)) CPU_SET(core, &chosen);
  if (CPU_COUNT(&chosen) > 0) return chosen;
  static std::once_flag told;
  if (!wanted.empty())
    std::call_once(told, [&] {
      log_line(LogLevel::warning, "workers cores " + list + ": there is none of them to run on; all others are used");
    });
  return allowed;
}

}  // namespace

ResultOrText<std::unique_ptr<DriverSet>> make_drivers(const OffloadSettings& offload) {
  if (offload.devices.empty()) return make_driver_set_from_environment();
  std::vector<std::unique_ptr<CryptoDriver>> devices;
  for (const std::string& name : offload.devices) {
    auto device = make_driver(name);
    // An engine is arithmetic that software has as well; a crypto device that is missing is a machine set up wrongly.
    if (!device && name.starts_with("openssl:")) {
      static std::set<std::string> told;
      if (told.insert(name).second) log_line(LogLevel::error, device.error() + "; software does its work");
      continue;
    }
    if (!device) return fail(name + ": " + device.error());
    devices.push_back(std::move(*device));
  }
  OffloadOptions options;
  options.policy = static_cast<OffloadPolicy>(offload.use);
  options.verify_one_in = offload.verify_one_in;
  return make_driver_set_with(std::move(devices), options);
}

void pin(std::thread& thread, size_t n, const std::string& list) {
  const cpu_set_t allowed = allowed_cores(list);
  size_t left = n % static_cast<size_t>(std::max(1, CPU_COUNT(&allowed)));
  for (size_t core = 0; core < CPU_SETSIZE; ++core) {
    if (!CPU_ISSET(core, &allowed) || left-- != 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    ::pthread_setaffinity_np(thread.native_handle(), sizeof one, &one);
    return;
  }
}

std::vector<std::unique_ptr<Worker>> make_workers(const std::vector<std::unique_ptr<DriverSet>>& drivers,
                                                  const WorkerSettings& settings) {
  const RecordPoolSize records = RecordPoolSize::within(size_t{settings.record_megabytes} << 20);
  std::vector<std::unique_ptr<Worker>> workers;
  for (const auto& set : drivers) workers.push_back(std::make_unique<Worker>(*set, records));
  return workers;
}

std::vector<ControlPort*> ports_of(const std::vector<std::unique_ptr<Worker>>& workers) {
  std::vector<ControlPort*> ports;
  for (const auto& worker : workers) ports.push_back(&worker->port());
  return ports;
}

RekeyLimits rekey_limits(const RekeySettings& rekey) {
  RekeyLimits limits;
  limits.volume_bytes = rekey.volume_bytes();
  limits.time_ns = rekey.time_ns();
  limits.records = std::min(limits.records, rekey.records());
  return limits;
}

}  // namespace sluice
