// systemd's readiness protocol: one datagram to a socket that the environment names.
#pragma once

#include <string_view>

namespace sluice {

// "READY=1", "RELOADING=1", "STOPPING=1"; nothing where nobody listens.
void notify_supervisor(std::string_view state);

}  // namespace sluice
