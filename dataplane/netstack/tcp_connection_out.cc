// What a connection sends: new data as far as windows allow, lost data again, acknowledgments, probes.
#include <algorithm>

#include "base/check.h"
#include "dataplane/netstack/tcp_connection.h"
#include "dataplane/netstack/tcp_table.h"

namespace sluice {
namespace {

// Pieces of memory in one segment, or of one that is cut below.
constexpr size_t kMostPiecesSent = 32;
// One send to the layer below: in bytes, and in segments, which must all fit what waits there.
constexpr size_t kMostChunk = 65000;
constexpr size_t kMostCut = 128;
// RFC 8985 and the delivery of stretched acknowledgments live better with bursts of a millisecond.
constexpr uint64_t kPaceQuantumUs = 1000;
// Whoever was kept from sending makes up for so much of it at once.
constexpr uint64_t kPaceCreditUs = 4000;
// Any path takes a window of so many segments at once.
constexpr size_t kUnpacedSegments = 64;
constexpr size_t kDuplicateThreshold = 3;
constexpr uint64_t kMostWidenUs = 600'000'000;

}  // namespace

size_t TcpConnection::unsent() const {
  if (fin_sent_) return 0;
  const size_t end = fin_wanted_ ? fin_at_ - ring_first_ : ring_->pending_bytes();
  return end - (nxt_ - ring_first_);
}

uint16_t TcpConnection::window_field() {
  const size_t room = receive_ ? receive_->window() : 0;
  uint32_t window = static_cast<uint32_t>(std::min<size_t>(room, uint32_t{65535} << own_shift_));
  // Promises are kept; and by RFC 9293 section 3.8.6.2.2 the edge moves in steps that are worth a segment.
  const uint32_t promised = rcv_edge_ - rcv_nxt_;
  const size_t worth = std::max(mss_, size_t{1} << own_shift_);
  const auto step = static_cast<uint32_t>(std::min(worth, receive_ ? receive_->capacity() / 2 : 1));
  if (seq_before(rcv_edge_, rcv_nxt_)) {
    rcv_edge_ = rcv_nxt_;
  } else if (window < promised + step) {
    window = promised;
  }
  const uint32_t field = std::min<uint32_t>(window >> own_shift_, 65535);
  // What cannot be said for lack of low bits was promised all the same.
  rcv_edge_ = seq_later(rcv_edge_, rcv_nxt_ + (field << own_shift_));
  return static_cast<uint16_t>(field);
}

void TcpConnection::fill_options(TcpSegment& header, bool sacks) {
  if (agreed_.timestamps) {
    header.has_timestamps = true;
    header.timestamp = timestamp_now();
    header.timestamp_echo = ts_recent_;
  }
  if (!sacks || !agreed_.sack) return;
  const size_t most = agreed_.timestamps ? 3 : 4;
  size_t n = 0;
  if (duplicate_known_) {
    header.sacks[n++] = duplicate_;
    duplicate_known_ = false;
  }
  if (receive_) n += receive_->blocks(rcv_nxt_, std::span(header.sacks).subspan(n, most - n));
  header.sack_count = static_cast<uint8_t>(n);
}

SendAnswer TcpConnection::emit(uint32_t sequence, uint8_t flags, std::span<const Bytes> payload, size_t size,
                               uint16_t cut, FrameOwner* owner) {
  TcpSegment header;
  header.from_port = endpoints_.local.port;
  header.to_port = endpoints_.remote.port;
  header.sequence = sequence;
  header.flags = flags;
  if ((flags & kAck) != 0) {
    header.acknowledgment = rcv_nxt_;
    header.window = window_field();
  }
  fill_options(header, size == 0 && (flags & (kSyn | kRst)) == 0);
  std::array<uint8_t, kMostTcpHeaderBytes> bytes;
  const size_t header_bytes = header.write_header(bytes);
  const SegmentOut out{
      endpoints_.local.address, endpoints_.remote.address, {bytes.data(), header_bytes}, payload, size, cut, owner};
  // A port that copies says so before it returns; one that makes room tells of frames before this one, too.
  in_send_ = true;
  left_in_send_ = false;
  if (owner != nullptr) leaving_.push(sequence);
  const SendAnswer answer = table_.sink().send(out, table_.now_ns());
  in_send_ = false;
  if (owner != nullptr && answer != SendAnswer::sent) leaving_.unpush();
  if (left_in_send_) frames_have_left();
  if (answer == SendAnswer::no_room) {
    count(TcpCount::no_room_below);
    table_.wait_for_room(*this);
    return answer;
  }
  count(TcpCount::segments_out);
  if ((flags & kAck) != 0 && (flags & kRst) == 0) {
    last_ack_sent_ = rcv_nxt_;
    unacked_ = 0;
    ack_now_ = false;
    ack_at_ = 0;
    if (quick_acks_ > 0 && size == 0) --quick_acks_;
  }
  return answer;
}

void TcpConnection::send_ack() { emit(nxt_, kAck, {}, 0, 0, nullptr); }

// Nothing new in it: whoever gets it says where he stands.
void TcpConnection::send_probe() { emit(una_ - 1, kAck, {}, 0, 0, nullptr); }

void TcpConnection::send_reset(uint32_t sequence) {
  count(TcpCount::reset_out);
  emit(sequence, kRst | kAck, {}, 0, 0, nullptr);
}

void TcpConnection::send_syn(bool with_ack) {
  TcpSegment header;
  header.from_port = endpoints_.local.port;
  header.to_port = endpoints_.remote.port;
  header.sequence = agreed_.own_sequence;
  header.flags = with_ack ? kSyn | kAck : kSyn;
  if (with_ack) header.acknowledgment = rcv_nxt_;
  header.window = static_cast<uint16_t>(std::min<size_t>(receive_->window(), 65535));
  const size_t headers = (endpoints_.local.address.v6 ? 40 : 20) + kTcpHeaderBytes;
  header.mss = static_cast<uint16_t>(std::clamp<size_t>(path_mtu_ > headers ? path_mtu_ - headers : 0, 536, 65495));
  header.sack_permitted = agreed_.sack;
  if (table_.settings().window_scaling && (!with_ack || agreed_.peer_shift >= 0)) {
    header.window_shift = static_cast<int8_t>(own_shift_);
  }
  if (agreed_.timestamps) {
    header.has_timestamps = true;
    header.timestamp = timestamp_now();
    header.timestamp_echo = with_ack ? ts_recent_ : 0;
  }
  table_.send_bare(endpoints_, header);
  if (with_ack) rcv_edge_ = rcv_nxt_ + header.window;
}

bool TcpConnection::retransmit(SentSegment& segment) {
  if (widening_ && segment.end() == widen_end_) {
    widening_ = false;
    widen_after_ = std::min(4 * widen_after_, kMostWidenUs);
    widen_at_ = now() + widen_after_;
  }
  const bool fin = segment.has(SentSegment::kFinSegment);
  // A path that became narrower: what was one segment goes as several.
  for (size_t done = 0; done < segment.length || (fin && done == 0);) {
    const size_t n = std::min<size_t>(segment.length - done, mss_);
    std::array<Bytes, kMostPiecesSent> pieces;
    size_t got = 0;
    const size_t offset = segment.sequence + static_cast<uint32_t>(done) - ring_first_;
    const size_t count_of = n == 0 ? 0 : ring_->view(offset, n, pieces, got);
    SLUICE_CHECK(got > 0 || n == 0);
    // Copied below: an acknowledgment of the first one can free this memory while the second still waits.
    const auto flags = static_cast<uint8_t>(fin ? kFin | kAck : kAck);
    const SendAnswer answer =
        emit(segment.sequence + static_cast<uint32_t>(done), flags, std::span(pieces).first(count_of), got, 0, nullptr);
    if (answer == SendAnswer::no_room) return false;
    count(TcpCount::retransmits);
    ++retransmits_;
    done += got;
    if (fin) break;
  }
  if (!stamp_known_) {
    stamp_known_ = true;
    first_again_stamp_ = timestamp_now();
    again_end_ = segment.end();
  }
  again_end_ = seq_later(again_end_, segment.end());
  ++undo_left_;
  prr_out_ += segment.span();
  // The hole in front has a round trip of its own from here: a whole window that is answered at once, and only then
  // says what is missing, would otherwise time out while the answer is on its way.
  if (rto_base_ == 0 || segment.sequence == una_) rto_base_ = now();
  sent_.sent_again(segment, now32());
  last_sent_ = now();
  return true;
}

// Bytes a round trip; 0: as fast as the layer below takes them.
size_t TcpConnection::pace() const {
  if (!rtt_.known() || rtt_.srtt() < table_.settings().paced_from_us) return 0;
  // In recovery the window follows what arrives, and ends where it will be.
  const size_t window =
      recovery_ == Recovery::fast ? std::max(congestion_.cwnd(), congestion_.ssthresh()) : congestion_.cwnd();
  if (window <= kUnpacedSegments * mss_) return 0;
  return congestion_.slow_start() && recovery_ == Recovery::open ? 2 * window : window + window / 5;
}

// After a hole is filled, or a core was away, a window may open all at once: sent at once it would not fit the queue of
// any hop that holds less.
size_t TcpConnection::pace_limit() const {
  const size_t rate = pace();
  if (rate == 0) return SIZE_MAX;
  if (now() < pace_at_) return 0;
  const uint64_t quantum = rate * kPaceQuantumUs / rtt_.srtt();
  // Segments may themselves be larger than what is cut below.
  return std::max<size_t>(2 * mss_, std::min<uint64_t>(quantum, kMostChunk));
}

// RFC 5681 section 4.1.
void TcpConnection::idle_restart() {
  if (sent_.empty() && last_sent_ != 0 && now() - last_sent_ > rtt_.rto()) congestion_.on_idle();
}

// How much goes next; 0: nothing may.
size_t TcpConnection::next_chunk(size_t wanted) {
  const uint32_t edge = una_ + wnd_;
  const size_t window = seq_before(nxt_, edge) ? edge - nxt_ : 0;
  const size_t flight = sent_.in_flight();
  size_t cwnd = congestion_.cwnd();
  // RFC 3042, for peers whose selective acknowledgments would otherwise make room.
  if (!agreed_.sack && recovery_ == Recovery::open) cwnd += static_cast<size_t>(std::min(duplicate_acks_, 2)) * mss_;
  const size_t room = cwnd > flight ? cwnd - flight : 0;
  if (room < std::min(wanted, mss_)) {
    cwnd_held_ = true;
    return 0;
  }
  const PathFacts path = table_.sink().path(endpoints_.local.address, endpoints_.remote.address);
  const size_t chunk = std::max(std::min({path.most_payload, kMostChunk, kMostCut * mss_}), mss_);
  size_t n = std::min({wanted, window, room, chunk});
  if (n < wanted && n > mss_) n -= n % mss_;
  // RFC 9293 section 3.8.6.2.1: no silly windows. What is left of one is used when nothing else moves.
  if (n == 0 || (n < wanted && n < mss_ && n < most_wnd_ / 2)) return 0;
  const size_t paced = pace_limit();
  if (paced == 0) {
    paced_ = true;
    return 0;
  }
  if (n > paced) n = paced - paced % mss_;
  const size_t places = SentSegments::kMostCapacity - sent_.size();
  return std::min(n, places * mss_);
}

// RFC 4821 section 7: one segment as large as the path may be; 0: not now. If it is lost it is sent again in parts.
size_t TcpConnection::widening_chunk(size_t wanted) const {
  if (wide_mtu_ == 0 || widening_ || now() < widen_at_ || recovery_ != Recovery::open) return 0;
  const size_t n = mss_of(wide_mtu_);
  const bool fits = seq_at_most(nxt_ + static_cast<uint32_t>(n), una_ + wnd_) &&
                    sent_.in_flight() + n + kDuplicateThreshold * mss_ <= congestion_.cwnd();
  // What follows it tells whether it is lost.
  return fits && wanted >= n + kDuplicateThreshold * mss_ && !sent_.full() ? n : 0;
}

bool TcpConnection::send_new() {
  const size_t wanted = unsent();
  const size_t wide = widening_chunk(wanted);
  size_t n = wide > 0 ? wide : wanted == 0 ? 0 : next_chunk(wanted);
  if (n == 0) return false;
  std::array<Bytes, kMostPiecesSent> pieces;
  size_t got = 0;
  const size_t count_of = ring_->view(nxt_ - ring_first_, n, pieces, got);
  // More pieces than one send takes: whole segments of what there is.
  const bool widens = wide > 0 && got == n;
  if (!widens && got > mss_ && got < n) got -= got % mss_;
  n = got;
  size_t used = 0;
  for (size_t left = n; used < count_of && left > 0; ++used) {
    pieces[used] = pieces[used].first(std::min(left, pieces[used].size()));
    left -= pieces[used].size();
  }
  const auto flags = static_cast<uint8_t>(n == wanted ? kAck | kPsh : kAck);
  const auto cut = static_cast<uint16_t>(n > mss_ && !widens ? mss_ : 0);
  if (emit(nxt_, flags, std::span(pieces).first(used), n, cut, leaving_.full() ? nullptr : this) ==
      SendAnswer::no_room) {
    return false;
  }
  if (widens) {
    widening_ = true;
    widen_end_ = nxt_ + static_cast<uint32_t>(n);
  }
  note_sent(n, widens ? n : mss_);
  return true;
}

void TcpConnection::note_sent(size_t n, size_t each) {
  if (sent_.empty()) rto_base_ = now();
  for (size_t done = 0; done < n; done += each) {
    const auto length = static_cast<uint16_t>(std::min(each, n - done));
    sent_.push(nxt_ + static_cast<uint32_t>(done), length, false, now32());
  }
  nxt_ += static_cast<uint32_t>(n);
  bytes_out_ += n;
  prr_out_ += n;
  count(TcpCount::bytes_out, n);
  last_sent_ = now();
  if (const size_t rate = pace(); rate > 0) {
    const uint64_t least = now() > kPaceCreditUs ? now() - kPaceCreditUs : 0;
    pace_at_ = std::max(pace_at_, least) + n * rtt_.srtt() / rate;
  }
  flight_high_ = std::max(flight_high_, sent_.in_flight());
}

bool TcpConnection::send_fin() {
  if (!fin_wanted_ || fin_sent_ || nxt_ != fin_at_ || sent_.full()) return false;
  if (emit(nxt_, kFin | kAck, {}, 0, 0, nullptr) == SendAnswer::no_room) return false;
  if (sent_.empty()) rto_base_ = now();
  sent_.push(nxt_, 0, true, now32());
  ++nxt_;
  fin_sent_ = true;
  last_sent_ = now();
  state_ = state_ == TcpState::close_wait ? TcpState::last_ack : TcpState::fin_wait_1;
  return true;
}

void TcpConnection::send_allowed() {
  if (state_ == TcpState::closed || ring_ == nullptr) return;
  paced_ = false;
  cwnd_held_ = false;
  idle_restart();
  bool sent = false;
  bool forced = recovery_ != Recovery::open && prr_out_ == 0;
  while (SentSegment* lost = sent_.next_lost()) {
    const size_t flight = sent_.in_flight();
    const bool fits = flight + lost->span() <= congestion_.cwnd();
    // The peer may have shrunk its window: then one byte range at a time asks it (RFC 9293 section 3.8.6).
    const bool beyond = seq_before(una_ + wnd_, lost->end()) && lost->sequence != una_;
    if ((!fits && !forced) || beyond) break;
    if (!retransmit(*lost)) return;
    forced = false;
    sent = true;
  }
  if (sent_.next_lost() == nullptr) {
    while (send_new()) sent = true;
    sent |= send_fin();
  }
  // A persist timer that runs is left alone: an owner who looks often would put it off for ever.
  if (sent || (loss_timer_ == LossTimer::none && unsent() > 0)) arm_loss_timer();
}

}  // namespace sluice
