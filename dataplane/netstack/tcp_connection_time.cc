// A connection's timers: lost segments, tails, closed windows, acknowledgments that were put off, and silence.
#include <algorithm>

#include "dataplane/netstack/tcp_connection.h"
#include "dataplane/netstack/tcp_table.h"

namespace sluice {
namespace {

// Timeouts in a row after which a path is suspected of dropping what is large without a word (RFC 4821 section 7.7).
constexpr int kBlackHoleTimeouts = 2;
constexpr size_t kBlackHoleMtuV4 = 1024;
constexpr size_t kBlackHoleMtuV6 = 1280;
constexpr uint64_t kFirstWidenUs = 5'000'000;
// What RFC 8985 section 7.2 adds where a single segment's acknowledgment may be put off.
constexpr uint64_t kPeerDelayUs = 200'000;

}  // namespace

uint64_t TcpConnection::deadline() const {
  if (state_ == TcpState::closed) return UINT64_MAX;
  uint64_t at = UINT64_MAX;
  const auto sooner = [&](uint64_t when) {
    if (when != 0) at = std::min(at, when);
  };
  if (loss_timer_ != LossTimer::none) sooner(loss_at_);
  sooner(ack_at_);
  sooner(life_deadline());
  if (paced_) sooner(pace_at_);
  return at;
}

uint64_t TcpConnection::life_deadline() const {
  const TcpSettings& settings = table_.settings();
  uint64_t at = orphan_at_;
  const bool idle = state_ == TcpState::established || state_ == TcpState::close_wait;
  if (settings.keepalive_idle_us != 0 && idle && sent_.empty()) {
    const uint64_t keep =
        heard_at_ + settings.keepalive_idle_us + static_cast<uint64_t>(keepalives_) * settings.keepalive_interval_us;
    at = at == 0 ? keep : std::min(at, keep);
  }
  return at;
}

void TcpConnection::on_timer() {
  const uint64_t at = now();
  if (loss_timer_ != LossTimer::none && loss_at_ <= at) on_loss_timer();
  if (state_ == TcpState::closed) return;
  if (paced_ && pace_at_ <= at) send_allowed();
  if (ack_at_ != 0 && ack_at_ <= at) {
    ack_at_ = 0;
    send_ack();
  }
  const uint64_t life = life_deadline();
  if (life != 0 && life <= at) on_life_timer();
}

void TcpConnection::arm_loss_timer() {
  loss_timer_ = LossTimer::none;
  if (sent_.empty()) {
    // Either the window is closed, or it is too small for what there is to send.
    if (ring_ == nullptr || unsent() == 0 || paced_) return;
    loss_timer_ = LossTimer::persist;
    loss_at_ = now() + rtt_.rto(backoff_);
    return;
  }
  const uint64_t base = std::max(rto_base_, uint64_t{1});
  const uint64_t timeout = base + rtt_.rto(backoff_);
  loss_timer_ = LossTimer::timeout;
  loss_at_ = timeout;
  if (reorder_wait_us_ != 0) {
    const uint64_t at = now() + reorder_wait_us_;
    if (at < timeout) {
      loss_timer_ = LossTimer::reorder;
      loss_at_ = at;
    }
    return;
  }
  if (!agreed_.sack || recovery_ != Recovery::open || sent_.sacked() > 0 || probing_ || !rtt_.known()) return;
  uint64_t wait = 2 * rtt_.srtt() + 2000;
  if (sent_.in_flight() <= mss_) wait += kPeerDelayUs;
  const uint64_t at = now() + wait;
  if (at >= timeout) return;
  loss_timer_ = LossTimer::tail_probe;
  loss_at_ = at;
}

void TcpConnection::on_loss_timer() {
  const LossTimer what = loss_timer_;
  loss_timer_ = LossTimer::none;
  if (state_ == TcpState::syn_sent || state_ == TcpState::syn_received) return on_syn_timer();
  switch (what) {
    case LossTimer::none: return;
    case LossTimer::reorder: {
      const size_t lost = detect_losses();
      if (lost > 0 && recovery_ == Recovery::open) enter_recovery();
      if (lost > 0 && recovery_ == Recovery::fast) reduce_proportionally({}, false);
      send_allowed();
      return arm_loss_timer();
    }
    case LossTimer::tail_probe: return on_tail_probe();
    case LossTimer::timeout: return on_timeout();
    case LossTimer::persist: return on_persist();
  }
}

// RFC 8985 section 7.3: new data if there is any and the peer's window takes it, else the last segment once more.
void TcpConnection::on_tail_probe() {
  count(TcpCount::tail_probes);
  const uint32_t before = nxt_;
  if (unsent() > 0) {
    const size_t cwnd = congestion_.cwnd();
    congestion_.set_cwnd(sent_.in_flight() + mss_);
    send_new();
    congestion_.set_cwnd(cwnd);
  }
  probing_ = true;
  probe_was_copy_ = nxt_ == before;
  if (probe_was_copy_) {
    SentSegment* last = sent_.last_open();
    // A window that shrank may not hold it any more.
    const bool fits = last != nullptr && seq_at_most(last->end(), una_ + wnd_);
    // Then the timeout is next, as after a probe without an answer.
    if (!fits || !retransmit(*last)) probe_was_copy_ = false;
  }
  probe_end_ = nxt_;
  rto_base_ = now();
  arm_loss_timer();
}

// RFC 6298 section 5.
void TcpConnection::on_timeout() {
  const TcpSettings& settings = table_.settings();
  if (stuck_since_ == 0) stuck_since_ = now();
  if (now() - stuck_since_ > settings.give_up_us) {
    count(TcpCount::gave_up);
    return reset_peer(TcpEnd::timed_out);
  }
  count(TcpCount::timeouts);
  ++timeouts_;
  ++backoff_;
  suspect_black_hole();
  // A timeout of what was sent again after one says nothing new about the path's capacity.
  if (recovery_ != Recovery::timeout || seq_at_most(recovery_end_, una_)) {
    begin_undo(recovery_ == Recovery::open);
    congestion_.on_timeout(flight_of_late());
  } else {
    congestion_.set_cwnd(mss_);
  }
  recovery_ = Recovery::timeout;
  recovery_end_ = nxt_;
  probing_ = false;
  duplicate_acks_ = 0;
  prr_out_ = 0;
  reorder_wait_us_ = 0;
  if (!sent_.empty() && sent_.front().has(SentSegment::kSacked)) sent_.forget_sacks();
  sent_.lose_all();
  rto_base_ = now();
  send_allowed();
  arm_loss_timer();
}

void TcpConnection::suspect_black_hole() {
  const size_t floor = endpoints_.local.address.v6 ? kBlackHoleMtuV6 : kBlackHoleMtuV4;
  if (backoff_ < kBlackHoleTimeouts || path_mtu_ <= floor || sent_.empty()) return;
  if (sent_.front().length + size_t{100} < mss_ || wnd_ < mss_) return;
  count(TcpCount::black_holes);
  // It may have been a path that was away for a moment.
  narrow_path(floor, kFirstWidenUs);
}

// RFC 9293 section 3.8.6.1.
void TcpConnection::on_persist() {
  ++backoff_;
  const uint32_t edge = una_ + wnd_;
  if (seq_before(nxt_, edge) && unsent() > 0 && sent_.empty()) {
    // The window is open, but less than worth a segment: what it takes is sent now.
    const uint32_t most = most_wnd_;
    most_wnd_ = 0;
    send_new();
    most_wnd_ = most;
  } else if (unsent() > 0) {
    count(TcpCount::zero_window_probes);
    send_probe();
    if (stuck_since_ == 0) stuck_since_ = now();
    if (now() - std::max(stuck_since_, heard_at_) > table_.settings().give_up_us) {
      count(TcpCount::gave_up);
      return reset_peer(TcpEnd::timed_out);
    }
  }
  arm_loss_timer();
}

void TcpConnection::on_syn_timer() {
  const TcpSettings& settings = table_.settings();
  const int most = state_ == TcpState::syn_sent ? settings.syn_tries : settings.syn_ack_tries;
  if (++tries_ >= most || now() - stuck_since_ > settings.give_up_us) {
    count(TcpCount::gave_up);
    return finish(TcpEnd::timed_out);
  }
  ++backoff_;
  send_syn(state_ == TcpState::syn_received);
  loss_timer_ = LossTimer::timeout;
  loss_at_ = now() + rtt_.rto(backoff_);
}

void TcpConnection::on_life_timer() {
  if (orphan_at_ != 0 && orphan_at_ <= now()) {
    count(TcpCount::gave_up);
    return reset_peer(TcpEnd::timed_out);
  }
  if (keepalives_ >= table_.settings().keepalive_probes) {
    count(TcpCount::gave_up);
    return reset_peer(TcpEnd::timed_out);
  }
  ++keepalives_;
  count(TcpCount::keepalive_probes);
  send_probe();
}

}  // namespace sluice
