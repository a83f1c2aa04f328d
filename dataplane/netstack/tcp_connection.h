// TcpConnection: the state of one connection and what it does about segments, time and its owner's calls.
//
// Everything that comes changes state at once; what goes out in answer, acknowledgments and data, goes at the end of a
// burst (finish_burst). Its files: tcp_connection (a life: opened, owned, closed), _in (what a segment says), _ack
// (what an acknowledgment says of our data), _out (what may be sent), _time (timers).
#pragma once

#include <memory>

#include "dataplane/netstack/congestion.h"
#include "dataplane/netstack/receive_ring.h"
#include "dataplane/netstack/rtt_estimator.h"
#include "dataplane/netstack/segment_io.h"
#include "dataplane/netstack/sent_segments.h"
#include "dataplane/netstack/tcp_counters.h"
#include "dataplane/netstack/tcp_state.h"
#include "dataplane/netstack/tcp_transport.h"

namespace sluice {

class TcpTable;

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

class TcpConnection final : public FrameOwner {
 public:
  TcpConnection(TcpTable& table, uint32_t slot, const IpEndpoints& endpoints);

  std::unique_ptr<TcpTransport> open_active();
  // The handshake is complete but for the segment that completes it, which comes by input().
  std::unique_ptr<TcpTransport> open_passive(const TcpAgreement& agreement);
  bool ok() const { return receive_ && receive_->ok(); }

  void input(const TcpSegment& segment);
  void on_notice(const SegmentNotice& notice);
  void finish_burst();
  void on_timer();
  uint64_t deadline() const;
  void frame_left() override;
  // Its stack goes, or it never began.
  void abandon();
  // The table remembers it in less: it has nothing more to do.
  void end_in_time_wait() { finish(TcpEnd::closed); }

  // The owner's.
  void flush();
  void released(size_t n);
  void close_sending();
  void abort();
  void detach(std::unique_ptr<SendRing> ring);

  const IpEndpoints& endpoints() const { return endpoints_; }
  TcpState state() const { return state_; }
  TcpEnd end() const { return end_; }
  bool peer_ended() const { return peer_ended_; }
  bool owned() const { return owner_ != nullptr; }
  const ReceiveRing* received() const { return receive_.get(); }
  ReceiveRing* received() { return receive_.get(); }
  TcpConnectionFacts facts() const;
  size_t memory() const;
  uint32_t next_sequence() const { return nxt_; }
  uint32_t receive_next() const { return rcv_nxt_; }
  uint32_t window_edge() const { return rcv_edge_; }
  uint32_t recent_timestamp() const { return ts_recent_; }
  uint32_t timestamp_offset() const { return agreed_.timestamp_offset; }
  uint8_t own_shift() const { return own_shift_; }
  bool has_timestamps() const { return agreed_.timestamps; }
  uint32_t slot() const { return slot_; }

  // The table's, about it.
  size_t heap_at = SIZE_MAX;
  uint64_t heap_key = 0;
  bool in_burst = false;
  bool waits_for_room = false;
  bool buried = false;
  TcpWaker* waker = nullptr;

 private:
  enum class Recovery : uint8_t { open, fast, timeout };
  enum class LossTimer : uint8_t { none, reorder, tail_probe, timeout, persist };

  // A life.
  void agree(const TcpAgreement& agreement);
  void establish();
  void finish(TcpEnd why);
  void reset_peer(TcpEnd why);
  void set_mss();
  uint64_t now() const;
  uint32_t now32() const { return static_cast<uint32_t>(now()); }
  uint32_t timestamp_now() const;
  void count(TcpCount what, uint64_t n = 1);
  void news() { news_ = true; }

  // In.
  void input_opening(const TcpSegment& segment);
  void input_opened_by_both(const TcpSegment& segment);
  bool passes_paws(const TcpSegment& segment);
  bool acceptable(const TcpSegment& segment) const;
  void refuse_unacceptable(const TcpSegment& segment);
  bool take_ack_field(const TcpSegment& segment);
  void take_payload(const TcpSegment& segment);
  void keep_payload(const TcpSegment& segment, uint32_t begin, uint32_t size);
  void discard_payload(const TcpSegment& segment);
  void take_fin(const TcpSegment& segment);
  void peer_finished();
  void challenge();
  bool may_answer_stranger();
  void tune_window();
  void update_window();

  // Acknowledgments of ours.
  void on_acknowledgment(const TcpSegment& segment);
  void take_sacks(const TcpSegment& segment, const DeliveryTime& time, Delivered& out);
  void take_duplicate_sack();
  void advance_una(uint32_t acknowledgment);
  void our_fin_acknowledged();
  void note_rack(const Delivered& delivered);
  size_t detect_losses();
  uint32_t reordering_window() const;
  void judge_recovery(const TcpSegment& segment, const Delivered& delivered, bool advanced, size_t lost);
  void judge_duplicate(const TcpSegment& segment, Delivered& delivered);
  void judge_tail_probe(const TcpSegment& segment, bool duplicate_sack);
  void enter_recovery();
  void leave_recovery();
  void undo_recovery();
  void reduce_proportionally(const Delivered& delivered, bool safe);
  bool window_limited() const;

  // Out.
  void send_allowed();
  bool send_new();
  bool retransmit(SentSegment& segment);
  bool send_fin();
  void send_ack();
  void send_probe();
  void send_reset(uint32_t sequence);
  void send_syn(bool with_ack);
  SendAnswer emit(uint32_t sequence, uint8_t flags, std::span<const Bytes> payload, size_t size, uint16_t cut,
                  FrameOwner* owner);
  void fill_options(TcpSegment& header, bool sacks);
  uint16_t window_field();
  size_t unsent() const;
  // Where the send ring's first byte is. Only the SYN is no byte of it.
  uint32_t data_una() const { return una_ == agreed_.own_sequence && !syn_acknowledged_ ? una_ + 1 : una_; }
  size_t pace_limit();
  void idle_restart();

  // Time.
  void arm_loss_timer();
  void on_loss_timer();
  void on_timeout();
  void on_tail_probe();
  void on_persist();
  void on_life_timer();
  void on_syn_timer();
  void suspect_black_hole();
  uint64_t life_deadline() const;

  TcpTable& table_;
  const uint32_t slot_;
  const IpEndpoints endpoints_;
  TcpState state_ = TcpState::closed;
  TcpEnd end_ = TcpEnd::none;
  TcpTransport* owner_ = nullptr;
  SendRing* ring_ = nullptr;
  std::unique_ptr<SendRing> orphan_ring_;
  std::unique_ptr<ReceiveRing> receive_;
  TcpAgreement agreed_;
  size_t counted_memory_ = 0;
  size_t frames_out_ = 0;

  // Sending.
  SentSegments sent_;
  Congestion congestion_;
  RttEstimator rtt_;
  uint32_t una_ = 0;
  uint32_t nxt_ = 0;
  uint32_t wnd_ = 0;  // of the peer, in bytes
  uint32_t wl1_ = 0;
  uint32_t wl2_ = 0;
  uint32_t most_wnd_ = 0;
  uint8_t own_shift_ = 0;
  size_t path_mtu_ = 0;
  size_t mss_ = 536;  // payload of a full segment
  bool syn_acknowledged_ = false;
  bool fin_wanted_ = false;
  bool fin_sent_ = false;
  uint32_t fin_at_ = 0;
  size_t flight_high_ = 0;
  uint32_t flight_round_ = 0;
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
  uint32_t first_again_stamp_ = 0;
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
  uint64_t orphan_at_ = 0;

  uint64_t bytes_in_ = 0;
  uint64_t bytes_out_ = 0;
  uint64_t retransmits_ = 0;
  uint64_t timeouts_ = 0;
};

}  // namespace sluice
