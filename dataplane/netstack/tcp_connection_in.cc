// What a segment says, in the order of RFC 9293 section 3.10.7, with the checks of RFC 7323 and RFC 5961.
#include <algorithm>

#include "dataplane/netstack/tcp_connection.h"
#include "dataplane/netstack/tcp_table.h"

namespace sluice {
namespace {

// RFC 7323 section 5.5: a timestamp that was last heard so long ago says nothing any more.
constexpr uint64_t kStampLastsUs = uint64_t{24} * 86400 * 1'000'000;
// Answers to segments that may be somebody else's: so many in so long, of one connection. Two ends that disagree would
// otherwise talk for ever, and a stranger could learn from a common limit (RFC 5961 section 7).
constexpr int kMostChallenges = 8;
constexpr uint64_t kChallengeUs = 500'000;
// Received segments that are acknowledged together, RFC 9293 section 3.8.6.3.
constexpr uint32_t kAckEvery = 2;

}  // namespace

void TcpConnection::input(const TcpSegment& segment) {
  if (state_ == TcpState::closed) return;
  table_.touch(*this);
  if (state_ == TcpState::syn_sent) return input_opening(segment);
  if (!passes_paws(segment)) return;
  if (crosses_ours(segment)) {
    input_opened_by_both(segment);
    ack_now_ = true;
    return;
  }
  if (!acceptable(segment)) return refuse_unacceptable(segment);
  if (segment.has(kRst)) {
    if (segment.sequence != rcv_nxt_) return challenge();
    count(TcpCount::reset_in);
    return finish(state_ == TcpState::syn_received ? TcpEnd::refused : TcpEnd::reset);
  }
  if (segment.has(kSyn)) return challenge();
  if (!segment.has(kAck)) return;
  // Before anything that it says is believed, its time too.
  if (state_ != TcpState::syn_received && !may_acknowledge(segment.acknowledgment)) return challenge();
  heard_at_ = now();
  keepalives_ = 0;
  // RFC 7323 section 4.3.
  if (agreed_.timestamps && segment.has_timestamps && seq_at_most(segment.sequence, last_ack_sent_) &&
      seq_at_most(ts_recent_, segment.timestamp)) {
    ts_recent_ = segment.timestamp;
    ts_recent_at_ = now();
  }
  if (state_ == TcpState::syn_received) input_opened_by_both(segment);
  if (state_ == TcpState::closed || !take_ack_field(segment)) return;
  if (segment.payload_size > 0) take_payload(segment);
  if (state_ != TcpState::closed && (segment.has(kFin) || fin_known_)) take_fin(segment);
}

// RFC 9293 section 3.10.7.3.
void TcpConnection::input_opening(const TcpSegment& segment) {
  const uint32_t iss = agreed_.own_sequence;
  if (segment.has(kAck) && segment.acknowledgment != iss + 1) {
    if (!segment.has(kRst)) table_.reset_stranger(endpoints_, segment);
    return;
  }
  if (segment.has(kRst)) {
    if (!segment.has(kAck)) return;
    count(TcpCount::reset_in);
    return finish(TcpEnd::refused);
  }
  if (!segment.has(kSyn)) return;
  const TcpSettings& settings = table_.settings();
  TcpAgreement agreement;
  agreement.own_sequence = iss;
  agreement.timestamp_offset = agreed_.timestamp_offset;
  agreement.peer_sequence = segment.sequence;
  agreement.peer_mss = segment.mss == 0 ? uint16_t{536} : segment.mss;
  agreement.peer_shift = settings.window_scaling ? segment.window_shift : -1;
  agreement.sack = agreed_.sack && segment.sack_permitted;
  agreement.timestamps = agreed_.timestamps && segment.has_timestamps;
  agreement.peer_timestamp = segment.timestamp;
  // One that was sent again is nobody's measure.
  agreement.rtt_us = tries_ == 0 && segment.has(kAck) ? std::max<uint64_t>(now() - stuck_since_, 1) : 0;
  agree(agreement);
  wnd_ = segment.window;
  wl1_ = segment.sequence;
  wl2_ = segment.acknowledgment;
  most_wnd_ = wnd_;
  if (!segment.has(kAck)) {
    state_ = TcpState::syn_received;
    loss_at_ = now() + rtt_.rto(backoff_);
    return send_syn(true);
  }
  una_ = iss + 1;
  stuck_since_ = 0;
  establish();
  ack_now_ = true;
  if (segment.payload_size > 0) take_payload(segment);
  if (segment.has(kFin)) take_fin(segment);
}

// The answer of a peer that opened when we did. Its SYN is here already, so by RFC 9293's table it is too old; but it
// may be all that he ever sends, and he gets no other from us.
bool TcpConnection::crosses_ours(const TcpSegment& segment) const {
  return state_ == TcpState::syn_received && segment.has(kSyn) && segment.has(kAck) && !segment.has(kRst) &&
         segment.length() == 1 && segment.sequence + 1 == rcv_nxt_ &&
         segment.acknowledgment == agreed_.own_sequence + 1;
}

// The other end of a simultaneous open.
void TcpConnection::input_opened_by_both(const TcpSegment& segment) {
  if (segment.acknowledgment != agreed_.own_sequence + 1) {
    send_reset(segment.acknowledgment);
    return finish(TcpEnd::refused);
  }
  una_ = agreed_.own_sequence + 1;
  stuck_since_ = 0;
  wl1_ = segment.sequence - 1;
  establish();
}

bool TcpConnection::passes_paws(const TcpSegment& segment) {
  if (!agreed_.timestamps || segment.has(kRst)) return true;
  if (!segment.has_timestamps) {
    // RFC 7323 section 3.2. A SYN may lack them: it is challenged, not taken.
    if (segment.has(kSyn)) return true;
    count(TcpCount::paws_drops);
    return false;
  }
  if (!seq_before(segment.timestamp, ts_recent_) || now() - ts_recent_at_ > kStampLastsUs) return true;
  count(TcpCount::paws_drops);
  if (may_answer_stranger()) ack_now_ = true;
  return false;
}

bool TcpConnection::acceptable(const TcpSegment& segment) const {
  const uint32_t end = segment.end();
  // A peer that lost our last acknowledgments repeats what we have; its newest words are in our window or at its edge.
  if (segment.length() == 0) {
    return seq_at_most(rcv_nxt_, segment.sequence) && seq_at_most(segment.sequence, seq_later(rcv_edge_, rcv_nxt_));
  }
  if (seq_before(segment.sequence, rcv_edge_) && seq_before(rcv_nxt_, end)) return true;
  // A closed window: what the segment says beside its data counts.
  return rcv_edge_ == rcv_nxt_ && segment.sequence == rcv_nxt_;
}

void TcpConnection::refuse_unacceptable(const TcpSegment& segment) {
  count(TcpCount::window_drops);
  if (segment.has(kRst)) return;
  if (segment.payload_size > 0 && seq_at_most(segment.end(), rcv_nxt_)) {
    // All of it is here: the acknowledgment was lost, or the peer was hasty.
    count(TcpCount::duplicates);
    duplicate_known_ = agreed_.sack;
    duplicate_ = {segment.sequence, segment.sequence + static_cast<uint32_t>(segment.payload_size)};
    ack_now_ = true;
    return;
  }
  if (may_answer_stranger()) ack_now_ = true;
}

bool TcpConnection::may_answer_stranger() {
  if (now() - challenge_window_ > kChallengeUs) {
    challenge_window_ = now();
    challenges_ = 0;
  }
  return ++challenges_ <= kMostChallenges;
}

void TcpConnection::challenge() {
  // Each connection has a bound of its own: what is left of one for all would tell a stranger what others do.
  if (!may_answer_stranger()) return;
  count(TcpCount::challenge_acks);
  send_ack();
}

// RFC 5961 section 5.2.
bool TcpConnection::may_acknowledge(uint32_t ack) const {
  return seq_at_most(ack, nxt_) && seq_at_most(una_ - std::max<uint32_t>(most_wnd_, 1), ack);
}

// False: the rest of the segment is not to be looked at.
bool TcpConnection::take_ack_field(const TcpSegment& segment) {
  const uint32_t ack = segment.acknowledgment;
  const bool newer = seq_before(wl1_, segment.sequence) || (wl1_ == segment.sequence && seq_at_most(wl2_, ack));
  if (seq_before(ack, una_)) return true;
  const uint32_t window = static_cast<uint32_t>(segment.window) << std::max(agreed_.peer_shift, 0);
  const bool opened = newer && wnd_ == 0 && window > 0;
  // Before the window is looked at: a duplicate acknowledgment is one that does not change it.
  if (ack != una_ || segment.sack_count > 0 || !sent_.empty()) on_acknowledgment(segment);
  if (state_ == TcpState::closed) return false;
  if (newer) {
    wnd_ = window;
    most_wnd_ = std::max(most_wnd_, window);
    wl1_ = segment.sequence;
    wl2_ = ack;
  }
  if (opened) backoff_ = 0;
  return true;
}

void TcpConnection::take_payload(const TcpSegment& segment) {
  const bool open = state_ == TcpState::established || state_ == TcpState::fin_wait_1 || state_ == TcpState::fin_wait_2;
  if (!open) return;
  if (owner_ == nullptr && state_ == TcpState::fin_wait_2) {
    // Nobody is there to read it, and all that we had to say has been heard.
    return reset_peer(TcpEnd::closed);
  }
  const uint32_t first = segment.sequence + (segment.has(kSyn) ? 1 : 0);
  const uint32_t last = first + static_cast<uint32_t>(segment.payload_size);
  const uint32_t begin = seq_later(first, rcv_nxt_);
  uint32_t end = seq_earlier(last, rcv_edge_);
  if (fin_known_) end = seq_earlier(end, fin_sequence_);
  if (first != begin || last != end) ack_now_ = true;
  if (!seq_before(begin, end)) {
    ack_now_ = true;
    return;
  }
  keep_payload(segment, begin, end - begin);
}

void TcpConnection::keep_payload(const TcpSegment& segment, uint32_t begin, uint32_t size) {
  tune_bytes_ += size;
  const bool gaps = receive_->has_gaps();
  const size_t skip = begin - segment.sequence - (segment.has(kSyn) ? 1 : 0);
  const auto taken = receive_->take(begin - rcv_nxt_, segment.payload, segment.more, skip, size);
  if (begin != rcv_nxt_) {
    count(TcpCount::out_of_order);
    // RFC 5681 section 4.2: at once, so that the peer learns of the gap.
    ack_now_ = true;
    if (taken.duplicate && agreed_.sack) {
      duplicate_known_ = true;
      duplicate_ = {begin, begin + size};
    }
    return;
  }
  if (gaps) ack_now_ = true;
  rcv_nxt_ += static_cast<uint32_t>(taken.in_order);
  unacked_ += static_cast<uint32_t>(taken.in_order);
  bytes_in_ += taken.in_order;
  count(TcpCount::bytes_in, taken.in_order);
  if (owner_ == nullptr) receive_->release(receive_->available());
  news();
}

void TcpConnection::take_fin(const TcpSegment& segment) {
  if (segment.has(kFin) && !fin_known_ && !peer_ended_) {
    const uint32_t at = segment.end() - 1;
    // Beyond what we said we would take nothing is the end.
    if (seq_before(at, rcv_nxt_) || seq_before(seq_later(rcv_edge_, rcv_nxt_), at)) return;
    fin_known_ = true;
    fin_sequence_ = at;
  }
  if (!fin_known_ || peer_ended_ || fin_sequence_ != rcv_nxt_) {
    if (segment.has(kFin)) ack_now_ = true;
    return;
  }
  peer_finished();
}

void TcpConnection::peer_finished() {
  ++rcv_nxt_;
  rcv_edge_ = seq_later(rcv_edge_, rcv_nxt_);
  peer_ended_ = true;
  ack_now_ = true;
  news();
  switch (state_) {
    case TcpState::established: state_ = TcpState::close_wait; return;
    case TcpState::fin_wait_1: state_ = TcpState::closing; return;
    case TcpState::fin_wait_2:
      // What is in TIME_WAIT keeps no connection: the acknowledgment goes first.
      send_ack();
      return table_.enter_time_wait(*this);
    default: return;
  }
}

void TcpConnection::finish_burst() {
  if (state_ != TcpState::closed && state_ != TcpState::syn_sent && state_ != TcpState::syn_received) {
    send_allowed();
    const bool enough = unacked_ >= kAckEvery * std::min<size_t>(mss_, 16384) || quick_acks_ > 0;
    if (ack_now_ || (unacked_ > 0 && enough)) {
      send_ack();
    } else if (unacked_ > 0 && ack_at_ == 0) {
      ack_at_ = now() + table_.settings().delayed_ack_us;
    }
  }
  if (news_) {
    news_ = false;
    if (waker != nullptr) waker->wake();
  }
  if (state_ != TcpState::closed) table_.arm(*this);
}

void TcpConnection::released(size_t n) {
  receive_->release(n);
  if (state_ == TcpState::closed || peer_ended_) return;
  // Who lets it pile up needs no larger window.
  if (receive_->available() <= receive_->capacity() / 4) tune_window();
  if (state_ != TcpState::closed) update_window();
}

// What came in one round trip, twice over: so much must be on the way for a peer that doubles its window.
void TcpConnection::tune_window() {
  if (!rtt_.known() || receive_->capacity() >= receive_->most()) return;
  const uint64_t round = std::max<uint64_t>(rtt_.least(), 100);
  if (now() - tune_at_ < round) {
    // Already too much for what there is, however long the rest of the round trip is.
    if (2 * tune_bytes_ <= receive_->capacity()) return;
  } else if (2 * tune_bytes_ <= receive_->capacity()) {
    tune_at_ = now();
    tune_bytes_ = 0;
    return;
  } else if (now() - tune_at_ > 2 * round) {
    // Longer than a round trip: what was taken may be of several.
    const uint64_t rounds = (now() - tune_at_) / round;
    if (2 * tune_bytes_ / rounds <= receive_->capacity()) {
      tune_at_ = now();
      tune_bytes_ = 0;
      return;
    }
  }
  const size_t more = receive_->capacity();
  if (2 * more > receive_->most() || !table_.take_growth(more)) return;
  if (receive_->grow(2 * more)) {
    counted_memory_ += more;
    tune_at_ = now();
    tune_bytes_ = 0;
  } else {
    table_.give_memory(more);
    if (!receive_->ok()) reset_peer(TcpEnd::no_memory);
  }
}

// RFC 9293 section 3.8.6.2.2, and RFC 1122's half of the ring: a peer that waits for room hears of it.
void TcpConnection::update_window() {
  const uint32_t promised = rcv_edge_ - rcv_nxt_;
  const size_t room = receive_->window();
  if (room <= promised) return;
  const size_t gain = room - promised;
  const size_t half = receive_->capacity() / 2;
  const bool starving = promised < half && gain >= std::min(half, std::max<size_t>(2 * mss_, receive_->capacity() / 8));
  const size_t worth = std::max(mss_, size_t{1} << own_shift_);
  const bool shut = promised < worth && gain >= std::min(half, worth);
  if (starving || shut) {
    send_ack();
    table_.arm(*this);
  }
}

}  // namespace sluice
