// What may be chosen about TCP, and every bound of its memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace sluice {

struct TcpSettings {
  size_t most_connections = 4096;
  size_t most_listeners = 64;
  // Handshakes that others began. Beyond these their state travels in cookies.
  size_t syn_backlog = 1024;
  // Connections that completed and wait for their acceptor.
  size_t most_time_waits = 16384;

  // Of one connection, at first and at most: the send ring is all that may be unacknowledged, the receive ring the
  // window. They grow with what the path holds.
  size_t send_bytes = size_t{1} << 20;
  size_t most_send_bytes = size_t{16} << 20;
  size_t receive_bytes = size_t{1} << 20;
  size_t most_receive_bytes = size_t{64} << 20;
  // Of all receive and send rings of a stack. A connection that does not fit any more is refused.
  size_t memory_budget = size_t{4} << 30;

  uint64_t least_rto_us = 200'000;
  uint64_t most_rto_us = 60'000'000;
  uint64_t delayed_ack_us = 40'000;
  uint64_t time_wait_us = 60'000'000;
  // A connection that nobody owns any more, whose peer does not close.
  uint64_t orphan_us = 60'000'000;
  // What is sent again for so long without an answer is given up; likewise a connection being opened.
  uint64_t give_up_us = 900'000'000;
  int syn_tries = 6;
  int syn_ack_tries = 5;
  // 0: none.
  uint64_t keepalive_idle_us = 7'200'000'000;
  uint64_t keepalive_interval_us = 75'000'000;
  int keepalive_probes = 9;
  // Segments are spread over the round trip where it is so long or longer. 0: always; UINT64_MAX: never.
  uint64_t paced_from_us = 5'000;
  bool timestamps = true;
  bool sack = true;
  bool window_scaling = true;

  // Keys of initial sequence numbers, cookies, timestamps' offsets and the table's hash: 16 random bytes, never reused.
  std::array<uint8_t, 16> secret{};

  // RFC 7323 section 2.3: as little as makes the largest window sayable, but for its last unit.
  uint8_t window_shift() const {
    uint8_t shift = 0;
    while (shift < 14 && (most_receive_bytes - 1) >> shift > 65535) ++shift;
    return shift;
  }
};

}  // namespace sluice
