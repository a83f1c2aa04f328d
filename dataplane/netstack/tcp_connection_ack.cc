// What an acknowledgment says of the data that we have sent: delivered, lost (RACK-TLP, RFC 8985), how much may follow
// (PRR, RFC 6937; CUBIC), and whether a loss was none after all (Eifel, RFC 3522; D-SACK, RFC 3708).
#include <algorithm>
#include <array>

#include "dataplane/netstack/tcp_connection.h"
#include "dataplane/netstack/tcp_table.h"

namespace sluice {
namespace {

constexpr int kDuplicateThreshold = 3;
// RFC 8985 section 6.2 step 4.
constexpr int kReorderPersists = 16;

}  // namespace

void TcpConnection::on_acknowledgment(const TcpSegment& segment) {
  const uint32_t ack = segment.acknowledgment;
  const bool advanced = seq_before(una_, ack);
  const bool limited = window_limited();
  DeliveryTime time{now32(), static_cast<uint32_t>(std::min<uint64_t>(rtt_.known() ? rtt_.least() : 0, UINT32_MAX))};
  if (agreed_.timestamps && segment.has_timestamps && segment.timestamp_echo != 0) {
    const uint32_t age_ms = timestamp_now() - segment.timestamp_echo;
    time.echo_known = age_ms < (uint32_t{1} << 22);
    time.echo_us = static_cast<uint32_t>(now() - now() % 1000 + 999) - age_ms * 1000;
  }
  const Recovery before = recovery_;
  const uint32_t acknowledged = advanced ? ack - una_ : 0;
  Delivered delivered;
  if (advanced) {
    sent_.acknowledge(ack, time, delivered);
    advance_una(ack);
    if (state_ == TcpState::closed) return;
  }
  const bool duplicate_before = duplicate_acks_ > 0;
  bool duplicate_sack = false;
  if (agreed_.sack && segment.sack_count > 0) {
    const SackBlock& first = segment.sacks[0];
    duplicate_sack =
        seq_at_most(first.end, ack) || (segment.sack_count > 1 && seq_at_most(segment.sacks[1].begin, first.begin) &&
                                        seq_at_most(first.end, segment.sacks[1].end));
    take_sacks(segment, time, delivered);
  }
  if (duplicate_sack) take_duplicate_sack();
  if (advanced) duplicate_acks_ = 0;
  if (!agreed_.sack && !advanced) judge_duplicate(segment, delivered);
  note_rack(delivered);
  judge_tail_probe(segment, duplicate_sack, advanced);
  size_t lost = detect_losses();
  if (!agreed_.sack && !advanced && duplicate_acks_ == kDuplicateThreshold && recovery_ == Recovery::open) {
    lost += sent_.lose_first();
  }
  // RFC 6582 section 3.2 step 3: a partial acknowledgment names the next hole.
  if (!agreed_.sack && advanced && recovery_ == Recovery::fast && seq_before(ack, recovery_end_)) {
    lost += sent_.lose_first();
  }
  judge_recovery(segment, delivered, advanced, lost);
  if (stamp_known_ && recovery_ == Recovery::open && seq_at_most(again_end_, una_)) stamp_known_ = false;
  if (delivered.rtt_us != UINT32_MAX) congestion_.on_rtt(delivered.rtt_us, una_, nxt_);
  // What is acknowledged selectively is no progress yet, and what ends a fast recovery has had its share.
  const bool growing = recovery_ != Recovery::fast && before != Recovery::fast;
  if (growing && acknowledged > 0) {
    congestion_.on_ack(acknowledged, limited || recovery_ == Recovery::timeout, rtt_.srtt(), now());
  }
  if (widening_ && seq_at_most(widen_end_, una_)) judge_widening();
  if (advanced && seq_at_most(flight_round_, una_)) end_round();
  if (advanced || delivered.any || duplicate_before) arm_loss_timer();
}

bool TcpConnection::window_limited() const {
  if (congestion_.slow_start()) return congestion_.cwnd() < 2 * std::max(flight_high_, sent_.in_flight());
  return cwnd_held_ || std::max(flight_high_, sent_.in_flight()) + 2 * mss_ >= congestion_.cwnd();
}

// The most that was under way, acknowledged selectively or not, since a round trip ago.
size_t TcpConnection::flight_of_late() const { return std::max<size_t>(flight_high_, nxt_ - una_); }

// The send ring holds two round trips' worth of what the path takes, by the shortest round trip: a queue on the path
// is no reason for more.
void TcpConnection::end_round() {
  const uint64_t took = std::max<uint64_t>(now() - round_at_, 1);
  const uint64_t bytes = una_ - round_from_;
  flight_round_ = nxt_;
  flight_high_ = sent_.in_flight();
  round_from_ = una_;
  round_at_ = now();
  if (ring_ == nullptr || !rtt_.known() || 2 * bytes * rtt_.least() / took <= ring_->lap()) return;
  const size_t more = ring_->lap();
  if (2 * more > ring_->capacity() || !table_.take_growth(more)) return;
  counted_memory_ += more;
  ring_->set_lap(2 * more);
}

// It arrived as it was.
void TcpConnection::judge_widening() {
  widening_ = false;
  path_mtu_ = wide_mtu_;
  wide_mtu_ = 0;
  widen_after_ = 0;
  set_mss();
  congestion_.set_mss(mss_);
}

void TcpConnection::advance_una(uint32_t ack) {
  una_ = ack;
  const bool fin_acked = fin_sent_ && ack == fin_at_ + 1;
  free_acknowledged();
  // Times and numbers wrap: what is known of the last ones says nothing when there are others after a pause.
  if (sent_.empty()) rack_known_ = false;
  rto_base_ = now();
  backoff_ = 0;
  stuck_since_ = 0;
  if (orphan_at_ != 0) orphan_at_ = std::min(orphan_until_, now() + table_.settings().orphan_us);
  if (fin_acked) our_fin_acknowledged();
}

void TcpConnection::free_acknowledged() {
  if (ring_ == nullptr) return;
  const uint32_t end = leaving_.free_to(fin_sent_ ? seq_earlier(una_, fin_at_) : una_);
  if (!seq_before(ring_first_, end)) return;
  ring_->sent(end - ring_first_);
  ring_first_ = end;
  news();
}

void TcpConnection::our_fin_acknowledged() {
  switch (state_) {
    case TcpState::fin_wait_1: state_ = TcpState::fin_wait_2; return;
    case TcpState::closing:
      if (ack_now_) send_ack();
      return table_.enter_time_wait(*this);
    case TcpState::last_ack: return finish(TcpEnd::closed);
    default: return;
  }
}

// From the lowest up: one that arrived with a later one was not overtaken by it.
void TcpConnection::take_sacks(const TcpSegment& segment, const DeliveryTime& time, Delivered& out) {
  std::array<SackBlock, kMostSackBlocks> blocks{};
  size_t n = 0;
  for (size_t i = 0; i < segment.sack_count && i < kMostSackBlocks; ++i) {
    const SackBlock& block = segment.sacks[i];
    const bool possible =
        seq_before(block.begin, block.end) && seq_at_most(una_, block.begin) && seq_at_most(block.end, nxt_);
    if (!possible) continue;
    size_t at = n++;
    for (; at > 0 && seq_before(block.begin, blocks[at - 1].begin); --at) blocks[at] = blocks[at - 1];
    blocks[at] = block;
  }
  for (size_t i = 0; i < n; ++i) sent_.sack(blocks[i].begin, blocks[i].end, time, out);
}

void TcpConnection::take_duplicate_sack() {
  // RFC 8985: once a round trip the window for late comers becomes wider.
  reordering_seen_ = true;
  if (!reorder_round_open_) {
    reorder_round_open_ = true;
    reorder_round_ = nxt_;
    reorder_factor_ = std::min<uint32_t>(reorder_factor_ + 1, 64);
    reorder_persists_ = kReorderPersists;
  }
  if (undo_left_ > 0 && --undo_left_ == 0 && may_undo_) undo_recovery();
}

void TcpConnection::note_rack(const Delivered& delivered) {
  if (reorder_round_open_ && seq_at_most(reorder_round_, una_)) reorder_round_open_ = false;
  if (delivered.rtt_us != UINT32_MAX) rtt_.sample(delivered.rtt_us, now());
  if (delivered.reordered) reordering_seen_ = true;
  if (!delivered.rack) return;
  const bool later = !rack_known_ || seq_before(rack_sent_us_, delivered.rack_sent_us) ||
                     (rack_sent_us_ == delivered.rack_sent_us && seq_before(rack_end_, delivered.rack_end));
  if (!later) return;
  rack_known_ = true;
  rack_sent_us_ = delivered.rack_sent_us;
  rack_end_ = delivered.rack_end;
  rack_rtt_us_ = now32() - delivered.rack_sent_us;
}

uint32_t TcpConnection::reordering_window() const {
  const bool many = sent_.sacked() >= kDuplicateThreshold * mss_;
  if (!reordering_seen_ && (recovery_ != Recovery::open || many)) return 0;
  if (!rtt_.known()) return 0;
  return static_cast<uint32_t>(std::min<uint64_t>(reorder_factor_ * rtt_.least() / 4, rtt_.srtt()));
}

size_t TcpConnection::detect_losses() {
  reorder_wait_us_ = 0;
  if (!rack_known_ || sent_.empty()) return 0;
  const auto losses = sent_.detect_losses(rack_sent_us_, rack_end_, rack_rtt_us_ + reordering_window(), now32());
  reorder_wait_us_ = losses.wait_us;
  return losses.bytes;
}

// RFC 5681: neither data nor another window in it, and something in flight.
void TcpConnection::judge_duplicate(const TcpSegment& segment, Delivered& delivered) {
  if (segment.payload_size > 0 || sent_.empty() || segment.acknowledgment != una_ || segment.has(kFin)) return;
  if ((static_cast<uint32_t>(segment.window) << std::max(agreed_.peer_shift, 0)) != wnd_) return;
  ++duplicate_acks_;
  if (recovery_ == Recovery::fast) delivered.bytes += mss_;
}

void TcpConnection::judge_recovery(const TcpSegment& segment, const Delivered& delivered, bool advanced, size_t lost) {
  if (recovery_ != Recovery::open && advanced && may_undo_ && stamp_known_ && agreed_.timestamps &&
      segment.has_timestamps && segment.timestamp_echo != 0 && seq_before(segment.timestamp_echo, first_again_stamp_)) {
    undo_recovery();
  }
  if (recovery_ != Recovery::open && advanced && seq_at_most(recovery_end_, una_)) leave_recovery();
  if (lost > 0 && recovery_ == Recovery::open) enter_recovery();
  if (recovery_ == Recovery::fast) reduce_proportionally(delivered, advanced && lost == 0);
}

void TcpConnection::enter_recovery() {
  count(TcpCount::fast_recoveries);
  recovery_ = Recovery::fast;
  recovery_end_ = nxt_;
  prr_delivered_ = prr_out_ = 0;
  prr_flight_ = std::max<size_t>(sent_.in_flight() + sent_.lost(), 1);
  begin_undo(true);
  congestion_.on_loss(flight_of_late());
}

// What was sent again before and is still on its way may be what the next acknowledgments answer: its time counts, too.
void TcpConnection::begin_undo(bool may) {
  may_undo_ = may;
  if (!stamp_known_) undo_left_ = 0;
}

void TcpConnection::leave_recovery() {
  if (recovery_ == Recovery::fast) congestion_.set_cwnd(congestion_.ssthresh());
  recovery_ = Recovery::open;
  may_undo_ = false;
  duplicate_acks_ = 0;
  if (reorder_persists_ > 0 && --reorder_persists_ == 0) reorder_factor_ = 1;
}

void TcpConnection::undo_recovery() {
  count(TcpCount::spurious_recoveries);
  congestion_.undo();
  sent_.unlose();
  recovery_ = Recovery::open;
  may_undo_ = false;
}

// RFC 6937 as revised: what leaves follows what arrives, so that the window shrinks over a round trip and not at once.
void TcpConnection::reduce_proportionally(const Delivered& delivered, bool safe) {
  prr_delivered_ += delivered.bytes;
  const size_t flight = sent_.in_flight();
  const size_t target = congestion_.ssthresh();
  size_t may = 0;
  if (flight > target) {
    const size_t share = (prr_delivered_ * target + prr_flight_ - 1) / prr_flight_;
    may = share > prr_out_ ? share - prr_out_ : 0;
  } else {
    const size_t owed = prr_delivered_ > prr_out_ ? prr_delivered_ - prr_out_ : 0;
    may = std::max(owed, delivered.bytes);
    if (safe) may += mss_;
    may = std::min(may, target - flight);
  }
  if (prr_out_ == 0) may = std::max(may, mss_);
  congestion_.set_cwnd(flight + may);
}

// RFC 8985 section 7.4.
void TcpConnection::judge_tail_probe(const TcpSegment& segment, bool duplicate_sack, bool advanced) {
  if (!probing_ || seq_before(segment.acknowledgment, probe_end_)) return;
  if (!probe_was_copy_) {
    probing_ = false;
  } else if (duplicate_sack) {
    probing_ = false;
  } else if (seq_before(probe_end_, segment.acknowledgment)) {
    probing_ = false;
    // The probe repaired a loss that nobody would have noticed.
    if (recovery_ == Recovery::open) {
      congestion_.on_loss(flight_of_late());
      congestion_.set_cwnd(congestion_.ssthresh());
    }
  } else if (!advanced && segment.sack_count == 0 && segment.payload_size == 0) {
    // A second acknowledgment of the same: the original has arrived too.
    probing_ = false;
  }
}

}  // namespace sluice
