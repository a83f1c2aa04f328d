// TcpConnection: the state of one connection and what it does about segments, time and its owner's calls.
//
// Everything that comes changes state at once; what goes out in answer, acknowledgments and data, goes at the end of a
// burst (finish_burst). Its files: tcp_connection (a life: opened, owned, closed), _in (what a segment says), _ack
// (what an acknowledgment says of our data), _out (what may be sent), _time (timers).
#pragma once

#include <memory>

#include "dataplane/netstack/receive_ring.h"
#include "dataplane/netstack/segment_io.h"
#include "dataplane/netstack/tcp_connection_state.h"
#include "dataplane/netstack/tcp_counters.h"
#include "dataplane/netstack/tcp_state.h"
#include "dataplane/netstack/tcp_transport.h"

namespace sluice {

class TcpTable;

class TcpConnection final : public FrameOwner, private TcpConnectionState {
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
  // A life.
  void agree(const TcpAgreement& agreement);
  void establish();
  void finish(TcpEnd why);
  void reset_peer(TcpEnd why);
  void set_mss();
  size_t mss_of(size_t mtu) const;
  void narrow_path(size_t mtu, uint64_t widen_after);
  uint64_t now() const;
  uint32_t now32() const { return static_cast<uint32_t>(now()); }
  uint32_t timestamp_now() const;
  void count(TcpCount what, uint64_t n = 1);
  void news() { news_ = true; }

  // In.
  void input_opening(const TcpSegment& segment);
  bool crosses_ours(const TcpSegment& segment) const;
  void input_opened_by_both(const TcpSegment& segment);
  bool passes_paws(const TcpSegment& segment);
  bool acceptable(const TcpSegment& segment) const;
  void refuse_unacceptable(const TcpSegment& segment);
  bool may_acknowledge(uint32_t ack) const;
  bool take_ack_field(const TcpSegment& segment);
  void take_payload(const TcpSegment& segment);
  void keep_payload(const TcpSegment& segment, uint32_t begin, uint32_t size);
  void discard_payload(const TcpSegment& segment);
  void take_fin(const TcpSegment& segment);
  void peer_finished();
  void challenge();
  bool may_answer_stranger();
  void frames_have_left();
  void tune_window();
  void update_window();

  // Acknowledgments of ours.
  void on_acknowledgment(const TcpSegment& segment);
  void take_sacks(const TcpSegment& segment, const DeliveryTime& time, Delivered& out);
  void take_duplicate_sack();
  void advance_una(uint32_t acknowledgment);
  void free_acknowledged();
  void our_fin_acknowledged();
  void note_rack(const Delivered& delivered);
  size_t detect_losses();
  uint32_t reordering_window() const;
  void judge_recovery(const TcpSegment& segment, const Delivered& delivered, bool advanced, size_t lost);
  void judge_duplicate(const TcpSegment& segment, Delivered& delivered);
  void judge_tail_probe(const TcpSegment& segment, bool duplicate_sack, bool advanced);
  void enter_recovery();
  void begin_undo(bool may);
  void leave_recovery();
  void undo_recovery();
  void reduce_proportionally(const Delivered& delivered, bool safe);
  bool window_limited() const;
  size_t flight_of_late() const;
  void end_round();
  void judge_widening();

  // Out.
  void send_allowed();
  size_t next_chunk(size_t wanted);
  size_t widening_chunk(size_t wanted) const;
  bool send_new();
  void note_sent(size_t n, size_t each);
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
  size_t pace() const;
  size_t pace_limit() const;
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
  size_t counted_memory_ = 0;
  bool in_send_ = false;
  bool left_in_send_ = false;
};

}  // namespace sluice
