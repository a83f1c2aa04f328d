// The other side of a control socket: a session, a stream or an order on a connection that another program holds.
#pragma once

#include "apps/sluice/ssh_command_line.h"
#include "base/unique_fd.h"

namespace sluice {

// What is wanted of the master besides `options.session`.
struct MuxWish {
  std::string order;                       // of -O
  std::optional<ForwardEnd> stdio_target;  // of -W
  bool terminal = false;
};

// The exit code; nothing: whoever listens there cannot be used, the caller makes his own connection.
std::optional<int> run_over_mux(UniqueFd master, const ClientOptions& options, const MuxWish& wish);

}  // namespace sluice
