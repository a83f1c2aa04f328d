// Where a configuration wants sluiced to listen.
#pragma once

#include <vector>

#include "control/config/server_config.h"
#include "control/listening_sockets.h"

namespace sluice {

// The sockets that a configuration wants, or those that systemd gave; none where the server is off.
ResultOrText<std::vector<ListeningSocket>> open_sockets(const ServerConfig& config);
// Whether the sockets of the one will not do for the other.
bool needs_other_sockets(const ServerConfig& now, const ServerConfig& before);

}  // namespace sluice
