// Building what the peer sends, comparing what comes back.
#include "tests/unit/netstack/packet_script.h"

#include "dataplane/netstack/inet_checksum.h"

namespace sluice::test {
namespace {

IpAddress v4(uint8_t last) {
  const std::array<uint8_t, 4> bytes{192, 0, 2, last};
  return IpAddress::of_v4(bytes.data());
}

template <class T, class U>
void same(const std::optional<T>& wanted, const U& seen, const char* what) {
  if (wanted) {
    EXPECT_EQ(static_cast<int64_t>(seen), static_cast<int64_t>(*wanted)) << what;
  }
}

}  // namespace

TcpSettings script_settings() {
  TcpSettings settings;
  settings.send_bytes = 1 << 20;
  settings.secret = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  return settings;
}

PacketScript::PacketScript(const TcpSettings& settings, uint32_t first)
    : local{v4(1), 22}, remote{v4(2), 40000}, peer_first(first), stack(settings, *this, now_us * 1000) {}

PacketScript::~PacketScript() = default;

IpEndpoints PacketScript::endpoints() const { return {local, remote}; }

void PacketScript::accept(std::unique_ptr<TcpTransport> connection) {
  ++accepted;
  transport = std::move(connection);
}

SendAnswer PacketScript::send(const SegmentOut& out, uint64_t) {
  if (!has_room) return SendAnswer::no_room;
  Seen seen;
  std::vector<uint8_t> bytes(out.header.begin(), out.header.end());
  size_t size = 0;
  for (const Bytes piece : out.payload) {
    size += piece.size();
    seen.payload.insert(seen.payload.end(), piece.begin(), piece.end());
  }
  EXPECT_EQ(size, out.payload_size);
  const auto parsed = TcpSegment::parse(bytes);
  EXPECT_TRUE(parsed.has_value()) << "what we send is well formed";
  if (!parsed) return SendAnswer::sent;
  seen.segment = *parsed;
  seen.segment.payload_size = size;
  seen.cut = out.segment_size;
  seen.at_us = now_us;
  if (!own_known && parsed->has(kSyn)) {
    own_known = true;
    own_first = parsed->sequence;
  }
  if (parsed->has_timestamps) last_own_stamp = parsed->timestamp;
  sent.push_back(std::move(seen));
  if (out.owner == nullptr) return SendAnswer::sent;
  // As a queue does that makes room for this frame.
  while (holds_at_most > 0 && held.size() >= holds_at_most) {
    held.front()->frame_left();
    held.erase(held.begin());
  }
  if (holds_frames) {
    held.push_back(out.owner);
  } else {
    out.owner->frame_left();
  }
  return SendAnswer::sent;
}

void PacketScript::deliver(const Row& row) {
  TcpSegment segment;
  segment.from_port = remote.port;
  segment.to_port = local.port;
  segment.flags = row.flags.value_or(kAck);
  segment.sequence = peer_first + row.seq.value_or(1);
  if ((segment.flags & kAck) != 0) segment.acknowledgment = own_first + row.ack.value_or(last_ack);
  if (row.ack) last_ack = *row.ack;
  segment.window = row.win.value_or(60000);
  segment.mss = row.mss.value_or(0);
  segment.window_shift = static_cast<int8_t>(row.shift.value_or(-1));
  segment.sack_permitted = row.sack_ok.value_or(false);
  if (row.stamp || stamps) {
    segment.has_timestamps = true;
    segment.timestamp = row.stamp.value_or(peer_stamp);
    segment.timestamp_echo = row.echo.value_or(last_own_stamp);
  }
  if (row.sacks) {
    for (const SackBlock& block : *row.sacks) {
      segment.sacks[segment.sack_count++] = {own_first + block.begin, own_first + block.end};
    }
  }
  std::vector<uint8_t> bytes(kMostTcpHeaderBytes);
  bytes.resize(segment.write_header(bytes));
  const uint32_t first = row.seq.value_or(1) + ((segment.flags & kSyn) != 0 ? 1 : 0);
  for (size_t i = 0; i < row.len.value_or(0); ++i) bytes.push_back(stream_byte(first - 1 + i, 1));
  SegmentIn in{remote.address, local.address, bytes};
  InetChecksum sum;
  sum.add_pseudo_header(in.from, in.to, 6, bytes.size()).add(bytes);
  bytes[16] = static_cast<uint8_t>(sum.value() >> 8);
  bytes[17] = static_cast<uint8_t>(sum.value());
  stack.on_segment(in, now_us * 1000);
}

void PacketScript::in_burst(const Row& row) { deliver(row); }

void PacketScript::in(const Row& row) {
  deliver(row);
  end_burst();
}

Seen PacketScript::out(const Row& row) {
  if (sent.empty()) {
    ADD_FAILURE() << "nothing was sent";
    return {};
  }
  Seen seen = sent.front();
  sent.pop_front();
  const TcpSegment& segment = seen.segment;
  const auto flags = static_cast<uint8_t>(segment.flags & ~kPsh);
  same(row.flags, flags, "flags");
  same(row.seq, segment.sequence - own_first, "seq");
  same(row.ack, segment.acknowledgment - peer_first, "ack");
  same(row.win, segment.window, "win");
  same(row.len, segment.payload_size, "len");
  same(row.mss, segment.mss, "mss");
  same(row.shift, int{segment.window_shift}, "shift");
  same(row.sack_ok, segment.sack_permitted, "sack permitted");
  same(row.echo, segment.timestamp_echo, "echo");
  if (row.sacks) {
    std::vector<SackBlock> blocks;
    for (size_t i = 0; i < segment.sack_count; ++i) {
      blocks.push_back({segment.sacks[i].begin - peer_first, segment.sacks[i].end - peer_first});
    }
    EXPECT_TRUE(blocks == *row.sacks) << "sacks: " << blocks.size();
    for (const SackBlock& block : blocks) {
      if (!(blocks == *row.sacks)) ADD_FAILURE() << block.begin << " to " << block.end;
    }
  }
  const uint32_t at = segment.sequence - own_first - 1;
  for (size_t i = 0; i < seen.payload.size(); ++i) {
    if (seen.payload[i] == stream_byte(at + i)) continue;
    ADD_FAILURE() << "byte " << at + i << " is not what was written";
    break;
  }
  return seen;
}

void PacketScript::nothing() {
  EXPECT_TRUE(sent.empty()) << "sent: seq " << sent.front().segment.sequence - own_first << " len "
                            << sent.front().segment.payload_size << " flags " << int{sent.front().segment.flags};
  sent.clear();
}

void PacketScript::pass(uint64_t us) {
  const uint64_t end = now_us + us;
  for (int step = 0; step < 1'000'000; ++step) {
    const uint64_t next = std::max(stack.next_deadline() / 1000, now_us);
    if (next > end) break;
    now_us = next;
    stack.advance(now_us * 1000);
    if (stack.next_deadline() / 1000 <= now_us) ++now_us;
  }
  now_us = std::max(now_us, end);
  stack.advance(now_us * 1000);
}

std::vector<Seen> PacketScript::drain() {
  std::vector<Seen> out(std::make_move_iterator(sent.begin()), std::make_move_iterator(sent.end()));
  sent.clear();
  return out;
}

void PacketScript::accept_connection(uint16_t window, bool sack, bool with_stamps, int shift, uint16_t mss) {
  ASSERT_TRUE(stack.listen(local, *this));
  stamps = with_stamps;
  in({.flags = kSyn, .seq = 0, .win = window, .mss = mss, .shift = shift, .sack_ok = sack});
  out({.flags = kSyn | kAck, .seq = 0, .ack = 1});
  pass(10 * kMs);
  in({.flags = kAck, .seq = 1, .ack = 1, .win = window});
  ASSERT_EQ(accepted, 1u);
  drain();
}

void PacketScript::connect() {
  transport = stack.connect(endpoints(), now_us * 1000);
  ASSERT_NE(transport, nullptr);
  out({.flags = kSyn, .seq = 0});
  pass(10 * kMs);
  in({.flags = kSyn | kAck, .seq = 0, .ack = 1, .mss = 1460, .sack_ok = true});
  out({.flags = kAck, .seq = 1, .ack = 1});
  ASSERT_FALSE(transport->connecting());
}

void PacketScript::write(size_t n) {
  SendRing& ring = transport->send_ring();
  uint8_t* place = ring.reserve(n);
  ASSERT_NE(place, nullptr);
  for (size_t i = 0; i < n; ++i) place[i] = stream_byte(written + i);
  ASSERT_TRUE(ring.commit(n, place, n));
  written += n;
  transport->flush();
}

void PacketScript::read(size_t n) {
  ASSERT_EQ(transport->available(), n);
  std::array<MutableBytes, 4> pieces;
  size_t at = 0;
  while (at < n) {
    const size_t count = transport->peek(at, pieces);
    ASSERT_GT(count, 0u);
    for (size_t i = 0; i < count; ++i) {
      for (const uint8_t byte : pieces[i]) ASSERT_EQ(byte, stream_byte(read_bytes + at++, 1)) << "at " << at;
    }
  }
  transport->release(n);
  read_bytes += n;
}

SegmentNotice PacketScript::notice(SegmentNotice::Kind kind, uint32_t relative, size_t of_mtu, bool refused) const {
  return {kind, local.address, remote.address, local.port, remote.port, own_first + relative, of_mtu, refused};
}

}  // namespace sluice::test
