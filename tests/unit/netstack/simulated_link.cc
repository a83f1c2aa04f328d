// Packets on their way, in the order of their time.
#include "tests/unit/netstack/simulated_link.h"

#include <algorithm>

#include "base/check.h"
#include "dataplane/netstack/inet_checksum.h"
#include "dataplane/netstack/tcp_segment.h"

namespace sluice::test {
namespace {

constexpr size_t kIpHeader = 20;
// Streams are cheap to make and to check: eight bytes at a time, by place.
uint64_t word_at(size_t place, uint64_t seed) { return (place / 8 + 1) * 0x9e3779b97f4a7c15u ^ seed; }

void fill_stream(MutableBytes out, size_t place, uint64_t seed) {
  for (size_t i = 0; i < out.size();) {
    const uint64_t word = word_at(place + i, seed);
    const size_t skip = (place + i) % 8;
    const size_t n = std::min(8 - skip, out.size() - i);
    std::memcpy(out.data() + i, reinterpret_cast<const uint8_t*>(&word) + skip, n);
    i += n;
  }
}

}  // namespace

SimulatedLink::End::End(SimulatedLink& of, const TcpSettings& settings, uint8_t number) : link(of) {
  const std::array<uint8_t, 4> bytes{192, 0, 2, number};
  address = IpAddress::of_v4(bytes.data());
  TcpSettings own = settings;
  own.secret[0] = number;
  stack = std::make_unique<TcpStack>(own, *this, link.now_us * 1000);
}

PathFacts SimulatedLink::End::path(const IpAddress&, const IpAddress&) const {
  return {link.path_.mtu, link.path_.most_payload};
}

SendAnswer SimulatedLink::End::send(const SegmentOut& segment, uint64_t) {
  link.carry(*this, segment);
  if (segment.owner != nullptr) segment.owner->frame_left();
  return SendAnswer::sent;
}

SimulatedLink::SimulatedLink(const LinkPath& path, uint64_t seed, const TcpSettings& settings)
    : path_(path), random_(seed) {
  ends_[0] = std::make_unique<End>(*this, settings, 1);
  ends_[1] = std::make_unique<End>(*this, settings, 2);
}

SimulatedLink::~SimulatedLink() = default;

// Cut as a device would cut it.
void SimulatedLink::carry(End& from, const SegmentOut& out) {
  std::vector<uint8_t> payload;
  payload.reserve(out.payload_size);
  for (const Bytes piece : out.payload) payload.insert(payload.end(), piece.begin(), piece.end());
  SLUICE_CHECK(payload.size() == out.payload_size);
  const size_t cut = out.segment_size == 0 ? payload.size() : out.segment_size;
  size_t done = 0;
  do {
    const size_t n = std::min(cut, payload.size() - done);
    std::vector<uint8_t> bytes(out.header.begin(), out.header.end());
    store_be32(bytes.data() + 4, load_be32(bytes.data() + 4) + static_cast<uint32_t>(done));
    if (done + n < payload.size()) bytes[13] = static_cast<uint8_t>(bytes[13] & ~(kFin | kPsh));
    bytes.insert(bytes.end(), payload.begin() + static_cast<ptrdiff_t>(done),
                 payload.begin() + static_cast<ptrdiff_t>(done + n));
    SLUICE_CHECK(bytes.size() + kIpHeader <= path_.mtu);
    enter(from, std::move(bytes));
    done += n;
  } while (done < payload.size());
}

void SimulatedLink::enter(End& from, std::vector<uint8_t> bytes) {
  End& to = &from == ends_[0].get() ? *ends_[1] : *ends_[0];
  const size_t size = bytes.size() + kIpHeader;
  if (path_.black_hole != 0 && size > path_.black_hole) {
    ++dropped;
    if (!path_.announce) return;
    const auto segment = TcpSegment::parse(bytes);
    told_.push_back({now_us + 2 * path_.delay_us + 1,
                     &from,
                     {SegmentNotice::Kind::too_big, from.address, to.address, segment->from_port, segment->to_port,
                      segment->sequence, path_.black_hole, false}});
    return;
  }
  uint64_t at = now_us;
  if (path_.rate != 0) {
    from.free_at_us = std::max(from.free_at_us, now_us);
    const uint64_t waits = (from.free_at_us - now_us) * path_.rate / 1'000'000;
    if (waits > path_.queue) {
      ++dropped;
      return;
    }
    from.free_at_us += size * 1'000'000 / path_.rate + 1;
    at = from.free_at_us;
  }
  if (draw() < path_.loss) {
    ++dropped;
    return;
  }
  at += path_.delay_us;
  if (draw() < path_.reorder) at += random_.below(path_.reorder_us + 1);
  bool good = true;
  if (draw() < path_.corrupt) {
    // Sealed first: any one byte that changes is found out.
    InetChecksum sum;
    const uint16_t value = sum.add_pseudo_header(from.address, to.address, 6, bytes.size()).add(bytes).value();
    bytes[16] = static_cast<uint8_t>(value >> 8);
    bytes[17] = static_cast<uint8_t>(value);
    bytes[random_.below(bytes.size())] ^= static_cast<uint8_t>(1 + random_.below(255));
    good = false;
  }
  if (draw() < path_.duplicate) packets_.push({at + random_.below(2000), ++order_, &to, good, from.address, bytes});
  packets_.push({at, ++order_, &to, good, from.address, std::move(bytes)});
}

bool SimulatedLink::advance(uint64_t end) {
  uint64_t next = packets_.empty() ? UINT64_MAX : packets_.top().at_us;
  if (!told_.empty()) next = std::min(next, told_.front().at_us);
  for (const auto& each : ends_) next = std::min(next, each->stack->next_deadline() / 1000);
  // Whoever steps in between may have more to do, though no packet and no timer says so.
  next = std::min(next, now_us + 20'000);
  if (next > end) {
    now_us = end + 1;
    return false;
  }
  now_us = std::max(now_us, next);
  while (!packets_.empty() && packets_.top().at_us <= now_us) {
    Packet packet = packets_.top();
    packets_.pop();
    ++delivered;
    SegmentIn in{packet.from, packet.to->address, packet.bytes};
    in.checksum_good = packet.good;
    packet.to->on_segment(in, now_us * 1000);
  }
  for (; !told_.empty() && told_.front().at_us <= now_us; told_.pop_front()) {
    told_.front().to->on_notice(told_.front().notice, now_us * 1000);
  }
  for (const auto& each : ends_) {
    each->stack->end_burst(now_us * 1000);
    if (each->stack->next_deadline() / 1000 <= now_us) each->stack->advance(now_us * 1000);
  }
  // Nothing is due twice at one time.
  for (const auto& each : ends_) {
    if (each->stack->next_deadline() / 1000 <= now_us) return ++now_us, true;
  }
  return true;
}

CheckedStream::CheckedStream(TcpTransport& from, TcpTransport& to, size_t total, uint64_t seed)
    : from_(from), to_(to), total_(total), seed_(seed) {}

void CheckedStream::step(CheapRandom* lazy) {
  SendRing& ring = from_.send_ring();
  while (written_ < total_) {
    size_t n = std::min<size_t>(total_ - written_, 32768);
    if (lazy != nullptr) n = std::min<size_t>(n, 1 + lazy->below(9000));
    n = std::min(n, ring.room());
    // As records do: a few bytes before and behind are not sent.
    const size_t frame = lazy != nullptr ? lazy->below(5) : 0;
    if (n <= 2 * frame) break;
    uint8_t* place = ring.reserve(n);
    if (place == nullptr) break;
    const size_t size = n - 2 * frame;
    fill_stream({place + frame, size}, written_, seed_);
    if (!ring.commit(n, place + frame, size)) {
      // As many pieces as there can be wait: the reservation stays, and is used when there are fewer.
      SLUICE_CHECK(false);
    }
    written_ += size;
    if (lazy != nullptr && lazy->below(20) == 0) break;
  }
  from_.flush();
  std::array<MutableBytes, 4> pieces;
  size_t taken = 0;
  const size_t count = to_.peek(0, pieces);
  std::array<uint8_t, 4096> expected;
  for (size_t i = 0; i < count; ++i) {
    for (size_t at = 0; at < pieces[i].size();) {
      const size_t n = std::min(pieces[i].size() - at, expected.size());
      fill_stream({expected.data(), n}, received_ + taken, seed_);
      if (std::memcmp(expected.data(), pieces[i].data() + at, n) != 0) right_ = false;
      at += n;
      taken += n;
    }
  }
  if (lazy != nullptr && taken > 0 && lazy->below(3) == 0) taken = lazy->below(taken);
  to_.release(taken);
  received_ += taken;
}

}  // namespace sluice::test
