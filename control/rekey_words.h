// RekeyLimits in the words and ranges of configuration: the routers', and our own wider ones.
#pragma once

#include "base/result.h"
#include "control/auth/login_limits.h"
#include "dataplane/control_port.h"

namespace sluice {

inline constexpr LimitRange kRekeyMinutes{30, 1440};      // `ssh server rekey-time`
inline constexpr LimitRange kRekeyMegabytes{1024, 4095};  // `ssh server rekey-volume`
// Below these a session would do nothing but exchange keys.
inline constexpr uint64_t kLeastRekeyBytes = uint64_t{1} << 20;
inline constexpr uint64_t kLeastRekeySeconds = 1;

ResultOrText<RekeyLimits> router_rekey_limits(unsigned minutes, unsigned megabytes);
ResultOrText<RekeyLimits> own_rekey_limits(uint64_t seconds, uint64_t bytes);

}  // namespace sluice
