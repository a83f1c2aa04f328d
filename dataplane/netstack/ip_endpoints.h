// The four numbers that name a connection, from our side.
#pragma once

#include "dataplane/netstack/ip_address.h"

namespace sluice {

struct IpEndpoint {
  IpAddress address;  // unspecified where a listener takes every address of ours
  uint16_t port = 0;
  bool operator==(const IpEndpoint&) const = default;
};

struct IpEndpoints {
  IpEndpoint local;
  IpEndpoint remote;
  bool operator==(const IpEndpoints&) const = default;
};

}  // namespace sluice
