// Segments to their connection; handshakes that others begin, with and without memory of them; TIME_WAIT; strangers.
#include <algorithm>

#include "dataplane/netstack/inet_checksum.h"
#include "dataplane/netstack/tcp_table.h"

namespace sluice {
namespace {

constexpr uint8_t kTcp = 6;
constexpr uint64_t kScanUs = 100'000;
constexpr uint64_t kFirstSynAckUs = 1'000'000;
// A SYN that comes again is answered again, but not faster.
constexpr uint64_t kSynAckApartUs = 20'000;
constexpr uint64_t kTimeWaitAnswerUs = 10'000;
// RFC 6528 is no help against an old connection that sent faster than its clock.
constexpr uint32_t kBeyondOld = 1u << 20;
// Twice the clock of TcpSecrets' cookies.
constexpr uint64_t kCookiesLastUs = 128'000'000;
constexpr uint16_t kSynWindow = 65535;

bool checksum_right(const SegmentIn& in) {
  size_t size = in.tcp.size();
  for (const Bytes piece : in.more) size += piece.size();
  InetChecksum sum;
  sum.add_pseudo_header(in.from, in.to, kTcp, size).add(in.tcp);
  for (const Bytes piece : in.more) sum.add(piece);
  return sum.value() == 0;
}

}  // namespace

void TcpTable::on_segment(const SegmentIn& in) {
  counters_.add(TcpCount::segments_in);
  const auto segment = TcpSegment::parse(in.tcp, in.more);
  if (!segment) return counters_.add(TcpCount::malformed);
  if (!in.checksum_good && !checksum_right(in)) return counters_.add(TcpCount::bad_checksums);
  const IpEndpoints endpoints{{in.to, segment->to_port}, {in.from, segment->from_port}};
  // From ourselves to ourselves: forged.
  if (endpoints.local == endpoints.remote) return counters_.add(TcpCount::malformed);
  const Found at = find(endpoints);
  if (!at.found) return take_new(endpoints, *segment);
  switch (at.key.kind) {
    case TcpIndex::Kind::connection: return slots_[at.key.index]->input(*segment);
    case TcpIndex::Kind::half_open: return take_half_open(half_open_[at.key.index], at.key.index, *segment);
    case TcpIndex::Kind::time_wait: return take_time_wait(time_waits_[at.key.index], at.key.index, *segment);
  }
}

void TcpTable::on_notice(const SegmentNotice& notice) {
  const Found at = find({{notice.from, notice.from_port}, {notice.to, notice.to_port}});
  if (at.found && at.key.kind == TcpIndex::Kind::connection) slots_[at.key.index]->on_notice(notice);
}

uint16_t TcpTable::own_mss(const IpEndpoints& endpoints) const {
  const size_t mtu = sink_.path(endpoints.local.address, endpoints.remote.address).mtu;
  const size_t headers = (endpoints.local.address.v6 ? 40 : 20) + kTcpHeaderBytes;
  return static_cast<uint16_t>(std::clamp<size_t>(mtu > headers ? mtu - headers : 0, 536, 65495));
}

void TcpTable::send_bare(const IpEndpoints& endpoints, const TcpSegment& header) {
  std::array<uint8_t, kMostTcpHeaderBytes> bytes;
  const size_t size = header.write_header(bytes);
  counters_.add(TcpCount::segments_out);
  sink_.send({endpoints.local.address, endpoints.remote.address, {bytes.data(), size}}, now_ns_);
}

void TcpTable::reset_stranger(const IpEndpoints& endpoints, const TcpSegment& segment) {
  if (segment.has(kRst) || !may_challenge()) return;
  TcpSegment reset;
  reset.from_port = endpoints.local.port;
  reset.to_port = endpoints.remote.port;
  reset.flags = kRst;
  if (segment.has(kAck)) {
    reset.sequence = segment.acknowledgment;
  } else {
    reset.flags |= kAck;
    reset.acknowledgment = segment.end();
  }
  counters_.add(TcpCount::reset_out);
  send_bare(endpoints, reset);
}

void TcpTable::take_new(const IpEndpoints& endpoints, const TcpSegment& segment) {
  TcpAcceptor* acceptor = listener_of(endpoints.local);
  if (segment.has(kRst)) return;
  if (acceptor == nullptr || (segment.has(kAck) && segment.has(kSyn))) {
    counters_.add(TcpCount::no_connection);
    return reset_stranger(endpoints, segment);
  }
  if (segment.has(kAck)) return take_cookie(endpoints, segment, *acceptor);
  if (segment.has(kSyn) && !segment.has(kFin)) return take_syn(endpoints, segment, *acceptor, 0, false);
  counters_.add(TcpCount::malformed);
}

TcpHalfOpen TcpTable::half_from(const IpEndpoints& endpoints, const TcpSegment& syn) const {
  TcpHalfOpen half;
  half.endpoints = endpoints;
  TcpAgreement& agreement = half.agreement;
  agreement.own_sequence = secrets_.initial_sequence(endpoints, now_us_);
  agreement.peer_sequence = syn.sequence;
  agreement.peer_mss = syn.mss == 0 ? uint16_t{536} : syn.mss;
  agreement.peer_shift = settings_.window_scaling ? syn.window_shift : -1;
  agreement.sack = settings_.sack && syn.sack_permitted;
  agreement.timestamps = settings_.timestamps && syn.has_timestamps;
  agreement.peer_timestamp = syn.timestamp;
  agreement.timestamp_offset = secrets_.timestamp_offset(endpoints);
  half.sent_at = now_us_;
  half.again_at = now_us_ + kFirstSynAckUs;
  return half;
}

void TcpTable::take_syn(const IpEndpoints& endpoints, const TcpSegment& segment, TcpAcceptor& acceptor,
                        uint32_t least_sequence, bool at_least) {
  TcpHalfOpen half = half_from(endpoints, segment);
  half.acceptor = &acceptor;
  if (at_least && seq_before(half.agreement.own_sequence, least_sequence)) {
    half.agreement.own_sequence = least_sequence;
  }
  if (connection_count_ >= settings_.most_connections) return counters_.add(TcpCount::refused);
  if (half_open_.full()) {
    counters_.add(TcpCount::backlog_full);
    counters_.add(TcpCount::cookies_sent);
    cookie_until_ = now_us_ + kCookiesLastUs;
    half.stamped = true;
    half.agreement.own_sequence = secrets_.cookie(endpoints, segment.sequence, half.agreement.peer_mss, now_us_);
    if (!half.agreement.timestamps) {
      half.agreement.peer_shift = -1;
      half.agreement.sack = false;
    }
    return send_syn_ack(half);
  }
  if (half_open_.size() == 0) scan_at_ = now_us_ + kScanUs;
  index_.add(secrets_.table_hash(endpoints), {TcpIndex::Kind::half_open, half_open_.add(half)});
  send_syn_ack(half);
}

void TcpTable::send_syn_ack(const TcpHalfOpen& half) {
  const TcpAgreement& agreement = half.agreement;
  TcpSegment out;
  out.from_port = half.endpoints.local.port;
  out.to_port = half.endpoints.remote.port;
  out.sequence = agreement.own_sequence;
  out.acknowledgment = agreement.peer_sequence + 1;
  out.flags = kSyn | kAck;
  out.window = static_cast<uint16_t>(std::min<size_t>(settings_.receive_bytes / 2, kSynWindow));
  out.mss = own_mss(half.endpoints);
  out.sack_permitted = agreement.sack;
  if (agreement.peer_shift >= 0) out.window_shift = static_cast<int8_t>(settings_.window_shift());
  if (agreement.timestamps) {
    out.has_timestamps = true;
    out.timestamp = static_cast<uint32_t>(now_us_ / 1000) + agreement.timestamp_offset;
    if (half.stamped) out.timestamp = stamp_with_options(out.timestamp, agreement.peer_shift, agreement.sack);
    out.timestamp_echo = agreement.peer_timestamp;
  }
  send_bare(half.endpoints, out);
}

void TcpTable::scan_half_open() {
  for (uint32_t i = half_open_.first(); i != half_open_.kNone;) {
    const uint32_t next = half_open_.after(i);
    TcpHalfOpen& half = half_open_[i];
    if (half.again_at <= now_us_) {
      if (++half.tries >= settings_.syn_ack_tries) {
        drop_half_open(i);
      } else {
        half.sent_at = now_us_;
        half.again_at = now_us_ + (kFirstSynAckUs << half.tries);
        send_syn_ack(half);
      }
    }
    i = next;
  }
  scan_at_ = now_us_ + kScanUs;
}

void TcpTable::take_half_open(TcpHalfOpen& half, uint32_t i, const TcpSegment& segment) {
  const TcpAgreement& agreement = half.agreement;
  const uint32_t next = agreement.peer_sequence + 1;
  if (segment.has(kRst)) {
    // RFC 5961 section 3.2: exactly there.
    if (segment.sequence == next) {
      counters_.add(TcpCount::reset_in);
      drop_half_open(i);
    }
    return;
  }
  if (segment.has(kSyn) && !segment.has(kAck)) {
    if (now_us_ - half.sent_at < kSynAckApartUs || !may_challenge()) return;
    half.sent_at = now_us_;
    return send_syn_ack(half);
  }
  if (!segment.has(kAck)) return;
  if (segment.acknowledgment != agreement.own_sequence + 1) return reset_stranger(half.endpoints, segment);
  const bool in_window = seq_at_most(next, segment.sequence) && seq_at_most(segment.sequence, next + kSynWindow);
  const bool old =
      agreement.timestamps && (!segment.has_timestamps || seq_before(segment.timestamp, agreement.peer_timestamp));
  if (!in_window || old || segment.has(kSyn)) return;
  TcpAgreement agreed = agreement;
  if (half.tries == 0) agreed.rtt_us = std::max<uint64_t>(now_us_ - half.sent_at, 1);
  const IpEndpoints endpoints = half.endpoints;
  TcpAcceptor& acceptor = *half.acceptor;
  // Room for it is looked for first: without any the peer's next segment may have more luck.
  if (connection_count_ >= settings_.most_connections) return counters_.add(TcpCount::refused);
  drop_half_open(i);
  open_passive(endpoints, agreed, segment, acceptor);
}

void TcpTable::take_cookie(const IpEndpoints& endpoints, const TcpSegment& segment, TcpAcceptor& acceptor) {
  if (now_us_ < cookie_until_ && !segment.has(kSyn)) {
    const uint32_t peer_sequence = segment.sequence - 1;
    const uint32_t cookie = segment.acknowledgment - 1;
    const auto mss = secrets_.open_cookie(endpoints, peer_sequence, cookie, now_us_);
    if (mss && connection_count_ < settings_.most_connections) {
      counters_.add(TcpCount::cookies_good);
      TcpAgreement agreement;
      agreement.own_sequence = cookie;
      agreement.peer_sequence = peer_sequence;
      agreement.peer_mss = *mss;
      agreement.timestamp_offset = secrets_.timestamp_offset(endpoints);
      if (segment.has_timestamps && settings_.timestamps) {
        const auto options = options_of_stamp(segment.timestamp_echo);
        agreement.timestamps = true;
        agreement.peer_timestamp = segment.timestamp;
        agreement.peer_shift = options.window_shift;
        agreement.sack = options.sack;
      }
      return open_passive(endpoints, agreement, segment, acceptor);
    }
    counters_.add(TcpCount::cookies_bad);
  }
  counters_.add(TcpCount::no_connection);
  reset_stranger(endpoints, segment);
}

void TcpTable::open_passive(const IpEndpoints& endpoints, const TcpAgreement& agreement, const TcpSegment& segment,
                            TcpAcceptor& acceptor) {
  const uint32_t slot = free_slot();
  slots_[slot] = std::make_unique<TcpConnection>(*this, slot, endpoints);
  TcpConnection& connection = *slots_[slot];
  ++connection_count_;
  index_.add(secrets_.table_hash(endpoints), {TcpIndex::Kind::connection, slot});
  auto transport = connection.ok() ? connection.open_passive(agreement) : nullptr;
  if (!transport) {
    count_refusal();
    retire(connection);
    connection.abandon();
    bury(connection);
    return reset_stranger(endpoints, segment);
  }
  acceptor.accept(std::move(transport));
  connection.input(segment);
}

void TcpTable::take_time_wait(TcpTimeWait& wait, uint32_t i, const TcpSegment& segment) {
  // RFC 1337: a reset does not end it.
  if (segment.has(kRst)) return;
  if (segment.has(kSyn) && !segment.has(kAck)) {
    TcpAcceptor* acceptor = listener_of(wait.endpoints.local);
    const bool newer = wait.timestamps && segment.has_timestamps ? seq_before(wait.recent_timestamp, segment.timestamp)
                                                                 : seq_before(wait.receive_next, segment.sequence);
    if (acceptor != nullptr && newer) {
      const IpEndpoints endpoints = wait.endpoints;
      const uint32_t least = wait.next_sequence + kBeyondOld;
      drop_time_wait(i);
      return take_syn(endpoints, segment, *acceptor, least, true);
    }
  }
  const bool fin_again = segment.has(kFin) && segment.end() == wait.receive_next;
  if (!fin_again && segment.length() == 0 && segment.sequence == wait.receive_next) return;
  if (now_us_ - wait.answered_us < kTimeWaitAnswerUs && wait.answered_us != 0) return;
  wait.answered_us = now_us_;
  TcpSegment out;
  out.from_port = wait.endpoints.local.port;
  out.to_port = wait.endpoints.remote.port;
  out.sequence = wait.next_sequence;
  out.acknowledgment = wait.receive_next;
  out.flags = kAck;
  out.window = wait.window_field;
  if (wait.timestamps) {
    out.has_timestamps = true;
    out.timestamp = static_cast<uint32_t>(now_us_ / 1000) + wait.timestamp_offset;
    out.timestamp_echo = wait.recent_timestamp;
  }
  send_bare(wait.endpoints, out);
  if (!fin_again) return;
  wait.until_us = now_us_ + settings_.time_wait_us;
  time_waits_.to_end(i);
}

}  // namespace sluice
