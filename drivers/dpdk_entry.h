// Where the program and the DPDK module meet.
#pragma once

#include "base/log.h"
#include "drivers/dpdk_module.h"

namespace sluice {

// The module's one entry point. `build` must be kDpdkModuleBuild of the caller: C++ objects cross this line.
struct DpdkHost {
  std::string_view build;
  void (*log)(LogLevel, std::string_view);
  const DpdkSettings* settings;
  const std::string* device;
};
inline constexpr std::string_view kDpdkModuleBuild = SLUICE_BUILD;
inline constexpr const char* kDpdkModuleEntry = "sluice_dpdk_start";
using DpdkModuleEntry = void (*)(const DpdkHost*, ResultOrText<DpdkModule*>*);

}  // namespace sluice
