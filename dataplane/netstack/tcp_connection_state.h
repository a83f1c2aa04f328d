// What a TcpConnection knows: numbers, windows, what is lost, which timers run. What it does about them is its own.
#pragma once

#include "dataplane/netstack/congestion.h"
#include "dataplane/netstack/leaving_frames.h"
#include "dataplane/netstack/rtt_estimator.h"
#include "dataplane/netstack/sent_segments.h"
#include "dataplane/netstack/tcp_segment.h"

namespace sluice {

// What a handshake has agreed, whoever remembered it meanwhile: a half-open entry, a cookie or the connection itself.
struct TcpAgreement {
  uint32_t own_sequence = 0;   // initial
  uint32_t peer_sequence = 0;  // initial
  uint16_t peer_mss = 536;
  int peer_shift = -1;  // -1: no scaling, either way
  bool sack = false;
  bool timestamps = false;
  uint32_t peer_timestamp = 0;
  uint32_t timestamp_offset = 0;
  uint64_t rtt_us = 0;  // 0: not measured
};

class TcpConnectionState {
 protected:
  TcpConnectionState(uint64_t least_rto, uint64_t most_rto) : rtt_(least_rto, most_rto) {}

  enum class Recovery : uint8_t { open, fast, timeout };
  enum class LossTimer : uint8_t { none, reorder, tail_probe, timeout, persist };

  TcpAgreement agreed_;

  // Sending.
  SentSegments sent_;
  Congestion congestion_;
  RttEstimator rtt_;
  uint32_t una_ = 0;
  uint32_t nxt_ = 0;
  uint32_t ring_first_ = 0;  // of the send ring's first byte
  LeavingFrames leaving_;
  uint32_t wnd_ = 0;  // of the peer, in bytes
  uint32_t wl1_ = 0;
  uint32_t wl2_ = 0;
  uint32_t most_wnd_ = 0;
  uint8_t own_shift_ = 0;
  size_t path_mtu_ = 0;
  size_t mss_ = 536;  // payload of a full segment
  // The path may be wider again, or may never have been narrow: one segment of that size finds out.
  size_t wide_mtu_ = 0;  // 0: it is not in question
  uint64_t widen_at_ = 0;
  uint64_t widen_after_ = 0;
  bool widening_ = false;
  uint32_t widen_end_ = 0;
  bool fin_wanted_ = false;
  bool fin_sent_ = false;
  uint32_t fin_at_ = 0;
  size_t flight_high_ = 0;
  uint32_t flight_round_ = 0;
  uint32_t round_from_ = 0;
  uint64_t round_at_ = 0;
  bool cwnd_held_ = false;
  uint64_t last_sent_ = 0;
  uint64_t pace_at_ = 0;
  bool paced_ = false;

  // Loss recovery.
  Recovery recovery_ = Recovery::open;
  uint32_t recovery_end_ = 0;
  size_t prr_delivered_ = 0;
  size_t prr_out_ = 0;
  size_t prr_flight_ = 1;
  int duplicate_acks_ = 0;
  bool rack_known_ = false;
  uint32_t rack_sent_us_ = 0;
  uint32_t rack_end_ = 0;
  uint32_t rack_rtt_us_ = 0;
  bool reordering_seen_ = false;
  uint32_t reorder_factor_ = 1;
  uint32_t reorder_round_ = 0;
  bool reorder_round_open_ = false;
  int reorder_persists_ = 0;
  uint32_t reorder_wait_us_ = 0;
  bool probing_ = false;
  bool probe_was_copy_ = false;
  uint32_t probe_end_ = 0;
  bool may_undo_ = false;
  bool stamp_known_ = false;
  uint32_t first_again_stamp_ = 0;  // of what was sent again and is still on its way, the oldest
  uint32_t again_end_ = 0;
  int undo_left_ = 0;

  // Receiving.
  uint32_t rcv_nxt_ = 0;
  uint32_t rcv_edge_ = 0;  // what we have promised to take
  uint32_t ts_recent_ = 0;
  uint64_t ts_recent_at_ = 0;
  uint32_t last_ack_sent_ = 0;
  bool fin_known_ = false;
  uint32_t fin_sequence_ = 0;
  bool peer_ended_ = false;
  uint32_t unacked_ = 0;
  bool ack_now_ = false;
  int quick_acks_ = 16;
  bool duplicate_known_ = false;
  SackBlock duplicate_{};
  uint64_t challenge_window_ = 0;
  int challenges_ = 0;
  uint64_t tune_at_ = 0;
  size_t tune_bytes_ = 0;
  bool news_ = false;

  // Timers, as times; 0: none.
  LossTimer loss_timer_ = LossTimer::none;
  uint64_t loss_at_ = 0;
  uint64_t rto_base_ = 0;
  int backoff_ = 0;
  int tries_ = 0;
  uint64_t stuck_since_ = 0;
  uint64_t ack_at_ = 0;
  uint64_t heard_at_ = 0;
  uint64_t life_at_ = 0;
  int keepalives_ = 0;
  uint64_t orphan_at_ = 0;     // when it ends, once nobody owns it
  uint64_t orphan_until_ = 0;  // whatever its peer acknowledges

  uint64_t bytes_in_ = 0;
  uint64_t bytes_out_ = 0;
  uint64_t retransmits_ = 0;
  uint64_t timeouts_ = 0;
};

}  // namespace sluice
