// How a client's stream to its host comes about: a socket, a program's pipes, or a hop through another host.
#pragma once

#include "base/unique_fd.h"
#include "control/client/config/client_options.h"

namespace sluice {

struct Reached {
  UniqueFd stream;
  std::string address;  // numeric, or "UNKNOWN" behind a program
};

// Blocks until there is a stream or none.
tl::expected<Reached, ClientFailure> reach_host(const ClientOptions& options);
// The TOS octet of IPv4 or the traffic class of IPv6; -1 changes nothing.
void set_dscp(int descriptor, int octet);

}  // namespace sluice
