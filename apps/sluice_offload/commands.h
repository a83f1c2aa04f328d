// The things that sluice-offload does. Each returns the exit status.
#pragma once

#include "apps/sluice_offload/devices.h"

namespace sluice::offload {

inline constexpr int kFine = 0;
inline constexpr int kWrongAnswer = 1;
inline constexpr int kUsage = 2;
inline constexpr int kNotAvailable = 3;

int run_list(const Options& options, const DeviceList& list);
int run_bench(const Options& options, const DeviceList& list);
int run_verify(const Options& options, const DeviceList& list);
int run_engine_conf(const Options& options);

}  // namespace sluice::offload
