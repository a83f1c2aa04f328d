// What a server's connection forwards: registration of all of it.
#pragma once

#include "services/connection/connection_services.h"

namespace sluice {

// direct-tcpip, direct-streamlocal@openssh.com, tcpip-forward, streamlocal-forward@openssh.com and their
// cancellations, no-more-sessions@openssh.com, and agents.
void add_forwarding(ServiceMakers& makers);

}  // namespace sluice
