// What a memif is asked for by its arguments, which its driver tells nobody afterwards: the size of its slots.
#pragma once

#include <string>

#include "base/result.h"

namespace sluice {

bool is_memif(const std::string& device);
// The device with slots for IP packets of that size. A frame is never to need two: DPDK 22.11 writes the second over
// the first when it reads them.
ResultOrText<std::string> memif_for_mtu(const std::string& device, size_t mtu);

}  // namespace sluice
