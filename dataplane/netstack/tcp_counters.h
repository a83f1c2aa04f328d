// What a TCP stack counts, as data: one row for each number that a show prints.
#pragma once

#include <array>
#include <string_view>

#include "base/counter.h"

namespace sluice {

enum class TcpCount : uint8_t {
  segments_in,
  segments_out,
  bytes_in,
  bytes_out,
  opened,
  accepted,
  refused,
  closed,
  reset_in,
  reset_out,
  retransmits,
  fast_recoveries,
  timeouts,
  tail_probes,
  spurious_recoveries,
  out_of_order,
  duplicates,
  challenge_acks,
  paws_drops,
  window_drops,
  bad_checksums,
  malformed,
  no_connection,
  cookies_sent,
  cookies_good,
  cookies_bad,
  backlog_full,
  memory_refused,
  zero_window_probes,
  keepalive_probes,
  path_mtu_reduced,
  black_holes,
  gave_up,
  no_room_below,
  count_,
};

inline constexpr std::array<std::string_view, static_cast<size_t>(TcpCount::count_)> kTcpCountNames{
    "segments-in",      "segments-out",    "bytes-in",       "bytes-out",          "opened",
    "accepted",         "refused",         "closed",         "resets-in",          "resets-out",
    "retransmits",      "fast-recoveries", "timeouts",       "tail-probes",        "spurious-recoveries",
    "out-of-order",     "duplicates",      "challenge-acks", "paws-drops",         "window-drops",
    "bad-checksums",    "malformed",       "no-connection",  "cookies-sent",       "cookies-good",
    "cookies-bad",      "backlog-full",    "memory-refused", "zero-window-probes", "keepalive-probes",
    "path-mtu-reduced", "black-holes",     "gave-up",        "no-room-below"};

struct TcpCounters {
  std::array<Counter, static_cast<size_t>(TcpCount::count_)> counts;

  void add(TcpCount what, uint64_t n = 1) { counts[static_cast<size_t>(what)].add(n); }
  uint64_t get(TcpCount what) const { return counts[static_cast<size_t>(what)].get(); }
};

}  // namespace sluice
