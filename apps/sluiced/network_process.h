// sluiced's network process: workers, control's thread, the listener, and the services of those who logged in.
//
// A program of its own, started anew: nothing of the monitor's memory, users' secrets above all, is in it. What it may
// know comes by its first order.
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

// Rights dropped, drivers and threads made, served until told to stop. The process' exit status.
int run_network(NetworkStart start);
// The program around it. `orders`: the number of our end of the link to the first process.
int run_network_program(int orders);
// In a child of the first process: becomes that program. Comes back when it could not be started.
void become_network_program(const ProcessLink& orders);
// What main() looks for: this word as the only argument but for the link's number.
inline constexpr const char* kNetworkWord = "--network-process";

}  // namespace sluice
