// A connection's life: how it is opened, who owns it, how it ends.
#include "dataplane/netstack/tcp_connection.h"

#include <algorithm>

#include "base/check.h"
#include "dataplane/netstack/tcp_table.h"

namespace sluice {
namespace {

constexpr size_t kTimestampBytes = 12;
// RFC 9293 section 3.7.1; and what an ICMP message can make of us at worst (RFC 1191, RFC 8201).
constexpr size_t kLeastMss = 64;
// RFC 8201 section 4: a notice is good for ten minutes.
constexpr uint64_t kForgetNoticeUs = 600'000'000;

}  // namespace

TcpConnection::TcpConnection(TcpTable& table, uint32_t slot, const IpEndpoints& endpoints)
    : TcpConnectionState(table.settings().least_rto_us, table.settings().most_rto_us),
      table_(table),
      slot_(slot),
      endpoints_(endpoints) {
  const TcpSettings& settings = table.settings();
  const size_t need = settings.send_bytes + settings.receive_bytes;
  if (!table_.take_memory(need)) return;
  counted_memory_ = need;
  receive_ = std::make_unique<ReceiveRing>(settings.receive_bytes, settings.most_receive_bytes);
  path_mtu_ = table_.sink().path(endpoints.local.address, endpoints.remote.address).mtu;
  heard_at_ = now();
}

uint64_t TcpConnection::now() const { return table_.now_us(); }

uint32_t TcpConnection::timestamp_now() const { return static_cast<uint32_t>(now() / 1000) + agreed_.timestamp_offset; }

void TcpConnection::count(TcpCount what, uint64_t n) { table_.counters().add(what, n); }

size_t TcpConnection::memory() const { return counted_memory_; }

size_t TcpConnection::mss_of(size_t mtu) const {
  const size_t headers = (endpoints_.local.address.v6 ? 40 : 20) + kTcpHeaderBytes;
  const size_t path = mtu > headers ? mtu - headers : 0;
  const size_t options = agreed_.timestamps ? kTimestampBytes : 0;
  const size_t mss = std::min({path, size_t{agreed_.peer_mss}, size_t{UINT16_MAX - 100}});
  return std::max(mss > options ? mss - options : 0, kLeastMss);
}

void TcpConnection::set_mss() { mss_ = mss_of(path_mtu_); }

void TcpConnection::narrow_path(size_t mtu, uint64_t widen_after) {
  wide_mtu_ = std::max(wide_mtu_, path_mtu_);
  widen_after_ = std::max(widen_after_, widen_after);
  widen_at_ = now() + widen_after_;
  widening_ = false;
  path_mtu_ = mtu;
  set_mss();
  congestion_.set_mss(mss_);
}

std::unique_ptr<TcpTransport> TcpConnection::open_active() {
  const TcpSettings& settings = table_.settings();
  auto transport =
      std::unique_ptr<TcpTransport>(new TcpTransport(*this, settings.send_bytes, settings.most_send_bytes));
  if (transport->send_ring().capacity() == 0) return nullptr;
  owner_ = transport.get();
  ring_ = &transport->send_ring();
  agreed_.own_sequence = table_.secrets().initial_sequence(endpoints_, now());
  agreed_.timestamp_offset = table_.secrets().timestamp_offset(endpoints_);
  // What we offer; what the peer takes of it is agreed when it answers.
  agreed_.timestamps = settings.timestamps;
  agreed_.sack = settings.sack;
  una_ = nxt_ = agreed_.own_sequence;
  ring_first_ = una_ + 1;
  own_shift_ = settings.window_scaling ? settings.window_shift() : uint8_t{0};
  state_ = TcpState::syn_sent;
  count(TcpCount::opened);
  send_syn(false);
  nxt_ = una_ + 1;
  stuck_since_ = now();
  loss_timer_ = LossTimer::timeout;
  loss_at_ = now() + rtt_.rto();
  table_.arm(*this);
  return transport;
}

void TcpConnection::agree(const TcpAgreement& agreement) {
  agreed_ = agreement;
  own_shift_ = agreed_.peer_shift >= 0 ? table_.settings().window_shift() : uint8_t{0};
  rcv_nxt_ = agreed_.peer_sequence + 1;
  ts_recent_ = agreed_.peer_timestamp;
  ts_recent_at_ = now();
  last_ack_sent_ = rcv_nxt_;
  // What the window field of a SYN could say; the first acknowledgment says more.
  rcv_edge_ = rcv_nxt_ + static_cast<uint32_t>(std::min<size_t>(receive_->window(), 65535));
  set_mss();
  congestion_.begin(mss_);
  if (agreed_.rtt_us > 0) rtt_.sample(agreed_.rtt_us, now());
}

std::unique_ptr<TcpTransport> TcpConnection::open_passive(const TcpAgreement& agreement) {
  const TcpSettings& settings = table_.settings();
  auto transport =
      std::unique_ptr<TcpTransport>(new TcpTransport(*this, settings.send_bytes, settings.most_send_bytes));
  if (transport->send_ring().capacity() == 0) return nullptr;
  owner_ = transport.get();
  ring_ = &transport->send_ring();
  agree(agreement);
  una_ = nxt_ = ring_first_ = agreed_.own_sequence + 1;
  wl1_ = agreed_.peer_sequence;
  wl2_ = una_;
  count(TcpCount::accepted);
  establish();
  return transport;
}

void TcpConnection::establish() {
  state_ = TcpState::established;
  loss_timer_ = LossTimer::none;
  backoff_ = tries_ = 0;
  heard_at_ = now();
  flight_round_ = round_from_ = nxt_;
  round_at_ = now();
  news();
}

void TcpConnection::finish(TcpEnd why) {
  if (state_ == TcpState::closed) return;
  state_ = TcpState::closed;
  end_ = why;
  if (orphan_at_ != 0) table_.give_orphan();
  orphan_at_ = 0;
  if (why == TcpEnd::closed) count(TcpCount::closed);
  table_.retire(*this);
  sent_.clear();
  if (owner_ == nullptr && leaving_.empty()) table_.bury(*this);
  if (waker != nullptr) waker->wake();
}

void TcpConnection::reset_peer(TcpEnd why) {
  if (state_ == TcpState::closed) return;
  if (state_ != TcpState::syn_sent) send_reset(nxt_);
  finish(why);
}

void TcpConnection::frame_left() {
  leaving_.pop();
  if (in_send_) {
    left_in_send_ = true;
    return;
  }
  frames_have_left();
  if (leaving_.empty() && state_ == TcpState::closed && owner_ == nullptr) table_.bury(*this);
}

void TcpConnection::frames_have_left() {
  free_acknowledged();
  // There may be room that its owner waits for.
  if (news_) table_.touch(*this);
}

void TcpConnection::abandon() {
  if (owner_ != nullptr) owner_->connection_ = nullptr;
  owner_ = nullptr;
  ring_ = nullptr;
}

void TcpConnection::flush() {
  if (state_ == TcpState::closed || state_ == TcpState::syn_sent || state_ == TcpState::syn_received) return;
  send_allowed();
  table_.arm(*this);
}

void TcpConnection::close_sending() {
  if (fin_wanted_ || state_ == TcpState::closed) return;
  if (state_ == TcpState::syn_sent) return finish(TcpEnd::closed);
  fin_wanted_ = true;
  fin_at_ = ring_first_ + static_cast<uint32_t>(ring_->pending_bytes());
  flush();
}

void TcpConnection::abort() { reset_peer(TcpEnd::closed); }

// What was committed is still sent, the FIN behind it. What was received and not read is dropped: our last words, why
// the connection ends, matter more to the peer than to know at once that it was not heard.
void TcpConnection::detach(std::unique_ptr<SendRing> ring) {
  owner_ = nullptr;
  waker = nullptr;
  orphan_ring_ = std::move(ring);
  ring_ = orphan_ring_.get();
  if (state_ == TcpState::closed) {
    if (leaving_.empty()) table_.bury(*this);
    return;
  }
  // Nobody counts it any more: neither so many of them nor for so long that they hold what is for others.
  if (!table_.take_orphan()) return reset_peer(TcpEnd::no_memory);
  orphan_at_ = now() + table_.settings().orphan_us;
  orphan_until_ = now() + 4 * table_.settings().orphan_us;
  close_sending();
  if (state_ == TcpState::closed) return;
  table_.arm(*this);
}

void TcpConnection::on_notice(const SegmentNotice& notice) {
  // RFC 5927: whoever cannot name a byte in flight has not seen our segment.
  if (seq_before(notice.sequence, una_) || !seq_before(notice.sequence, nxt_)) return;
  if (notice.kind == SegmentNotice::Kind::unreachable) {
    // Beyond the handshake it may be over in a moment: retransmission finds out.
    if (state_ == TcpState::syn_sent) finish(notice.refused ? TcpEnd::refused : TcpEnd::unreachable);
    return;
  }
  const size_t least = endpoints_.local.address.v6 ? 1280 : 576;
  const size_t mtu = std::max(notice.mtu, least);
  if (mtu >= path_mtu_) return;
  count(TcpCount::path_mtu_reduced);
  narrow_path(mtu, kForgetNoticeUs);
  if (state_ == TcpState::syn_sent) return;
  // They went nowhere, and no queue was full.
  sent_.lose_all();
  table_.touch(*this);
}

TcpConnectionFacts TcpConnection::facts() const {
  TcpConnectionFacts out;
  out.endpoints = endpoints_;
  out.state = state_;
  out.mss = mss_;
  out.cwnd = congestion_.cwnd();
  out.ssthresh = congestion_.ssthresh();
  out.srtt_us = rtt_.srtt();
  out.rttvar_us = rtt_.rttvar();
  out.least_rtt_us = rtt_.known() ? rtt_.least() : 0;
  out.rto_us = rtt_.rto(backoff_);
  out.in_flight = sent_.in_flight();
  out.unacknowledged = nxt_ - una_;
  out.peer_window = wnd_;
  out.receive_window = rcv_edge_ - rcv_nxt_;
  out.received_unread = receive_ ? receive_->available() : 0;
  out.bytes_in = bytes_in_;
  out.bytes_out = bytes_out_;
  out.retransmits = retransmits_;
  out.timeouts = timeouts_;
  out.sack = agreed_.sack;
  out.timestamps = agreed_.timestamps;
  out.peer_shift = agreed_.peer_shift > 0 ? static_cast<uint8_t>(agreed_.peer_shift) : uint8_t{0};
  out.own_shift = own_shift_;
  return out;
}

}  // namespace sluice
