// A handshake that somebody else began: what must be remembered until its last segment comes.
#pragma once

#include "dataplane/netstack/ip_endpoints.h"
#include "dataplane/netstack/tcp_connection.h"
#include "dataplane/netstack/tcp_pool.h"

namespace sluice {

class TcpAcceptor;

struct TcpHalfOpen {
  IpEndpoints endpoints;
  TcpAgreement agreement;
  TcpAcceptor* acceptor = nullptr;
  uint64_t sent_at = 0;
  uint64_t again_at = 0;
  int tries = 0;
  // Not the sequence number itself but what it stands for: see TcpSecrets.
  bool stamped = false;
};

}  // namespace sluice
