// A connection as a show prints it.
#pragma once

#include <array>
#include <string_view>

#include "dataplane/netstack/ip_endpoints.h"

namespace sluice {

// RFC 9293 section 3.3.2. Listeners are no connections; TIME_WAIT is kept apart, in less memory.
enum class TcpState : uint8_t {
  closed,
  syn_sent,
  syn_received,
  established,
  fin_wait_1,
  fin_wait_2,
  close_wait,
  closing,
  last_ack,
  time_wait,
};

inline constexpr std::array<std::string_view, 10> kTcpStateNames{
    "CLOSED",     "SYN-SENT",   "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1",
    "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING",      "LAST-ACK",    "TIME-WAIT"};

// Why a connection is no more.
enum class TcpEnd : uint8_t { none, closed, reset, refused, timed_out, unreachable, no_memory };

inline constexpr std::array<std::string_view, 7> kTcpEndNames{
    "open", "closed", "reset by the peer", "refused by the peer", "timed out", "unreachable", "out of memory"};

struct TcpConnectionFacts {
  IpEndpoints endpoints;
  TcpState state = TcpState::closed;
  size_t mss = 0;
  size_t cwnd = 0;
  size_t ssthresh = 0;
  uint64_t srtt_us = 0;
  uint64_t rttvar_us = 0;
  uint64_t least_rtt_us = 0;
  uint64_t rto_us = 0;
  size_t in_flight = 0;
  size_t unacknowledged = 0;
  size_t peer_window = 0;
  size_t receive_window = 0;
  size_t received_unread = 0;
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
  uint64_t retransmits = 0;
  uint64_t timeouts = 0;
  bool sack = false;
  bool timestamps = false;
  uint8_t peer_shift = 0;
  uint8_t own_shift = 0;
};

}  // namespace sluice
