// A client's direct-tcpip and direct-streamlocal@openssh.com channels: connections that the user's broker makes.
#pragma once

#include "services/connection/connection_services.h"

namespace sluice {

// RFC 4254 section 7.2.
OpenDecision open_direct_tcpip(ConnectionServices& connection, Bytes extra);
// OpenSSH's PROTOCOL, section 2.4.
OpenDecision open_direct_streamlocal(ConnectionServices& connection, Bytes extra);

}  // namespace sluice
