// dial(): a connected TCP socket to a host by name, or why there is none. Blocks, so it is no call for control's
// thread.
#pragma once

#include <sys/socket.h>

#include <chrono>

#include "control/client/client_failure.h"

namespace sluice {

struct DialTarget {
  std::string host;
  uint16_t port = 22;
  int family = AF_UNSPEC;
  // For each address of the host; zero: as long as the kernel tries.
  std::chrono::milliseconds timeout{0};
  std::string bind_address = {};  // numeric, or empty
  // A device: the source address of BindInterface, or a VRF's, which then routes the connection. Or empty.
  std::string bind_interface = {};
};

struct Dialed {
  int descriptor;       // the caller's
  std::string address;  // numeric
};

tl::expected<Dialed, ClientFailure> dial(const DialTarget& target);

}  // namespace sluice
