// A connection in TIME_WAIT: enough to acknowledge a FIN that comes again and to judge who may follow (RFC 6191).
#pragma once

#include "dataplane/netstack/ip_endpoints.h"
#include "dataplane/netstack/tcp_pool.h"

namespace sluice {

struct TcpTimeWait {
  IpEndpoints endpoints;
  uint32_t next_sequence = 0;
  uint32_t receive_next = 0;
  uint32_t receive_window = 0;
  uint16_t window_field = 0;
  bool timestamps = false;
  uint32_t recent_timestamp = 0;
  uint32_t timestamp_offset = 0;
  uint64_t until_us = 0;
  uint64_t answered_us = 0;
};

}  // namespace sluice
