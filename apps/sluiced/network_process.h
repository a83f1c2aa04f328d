// sluiced's network process: workers, control's thread, the listener, and the services of those who logged in.
//
// Start: drivers and threads' resources -> rights dropped -> workers' threads -> control's loop on this thread, until
// stopped. A reload changes what new connections get; those that are there keep what they have.
#pragma once

#include "apps/sluiced/options.h"
#include "apps/sluiced/process_link.h"
#include "control/listening_sockets.h"

namespace sluice {

struct NetworkStart {
  ServerConfig config;
  std::vector<ListeningSocket> sockets;
  UniqueFd monitor;  // our end of MonitorLink::make_pair()
  ProcessLink orders;
  Machine machine;
};

// The process' exit status.
int run_network(NetworkStart start);

}  // namespace sluice
