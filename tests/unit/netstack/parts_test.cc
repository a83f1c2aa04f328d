// The parts of TCP by themselves, against models that are slow and plain.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <vector>

#include "base/random.h"
#include "dataplane/netstack/congestion.h"
#include "dataplane/netstack/receive_ring.h"
#include "dataplane/netstack/sent_segments.h"
#include "dataplane/netstack/tcp_secrets.h"
#include "tests/unit/netstack/packet_script.h"

namespace sluice::test {
namespace {

TEST(TcpSegments, What_is_written_is_read) {
  CheapRandom random(1);
  for (int i = 0; i < 10000; ++i) {
    TcpSegment out;
    out.from_port = static_cast<uint16_t>(random.next());
    out.to_port = static_cast<uint16_t>(random.next());
    out.sequence = static_cast<uint32_t>(random.next());
    out.acknowledgment = static_cast<uint32_t>(random.next());
    out.window = static_cast<uint16_t>(random.next());
    out.flags = static_cast<uint8_t>(random.below(64));
    if (out.has(kSyn)) {
      out.mss = static_cast<uint16_t>(random.below(3000));
      out.window_shift = static_cast<int8_t>(static_cast<int>(random.below(16)) - 1);
      out.sack_permitted = random.below(2) == 0;
    }
    out.has_timestamps = random.below(2) == 0;
    if (out.has_timestamps) {
      out.timestamp = static_cast<uint32_t>(random.next());
      out.timestamp_echo = static_cast<uint32_t>(random.next());
    }
    if (!out.has(kSyn)) out.sack_count = static_cast<uint8_t>(random.below(out.has_timestamps ? 4 : 5));
    for (size_t n = 0; n < out.sack_count; ++n) out.sacks[n] = {static_cast<uint32_t>(random.next()), 7};
    std::vector<uint8_t> bytes(kMostTcpHeaderBytes);
    const size_t size = out.write_header(bytes);
    ASSERT_EQ(size, out.header_size());
    bytes.resize(size + random.below(20));
    const auto in = TcpSegment::parse(bytes);
    ASSERT_TRUE(in.has_value());
    EXPECT_EQ(in->sequence, out.sequence);
    EXPECT_EQ(in->acknowledgment, out.acknowledgment);
    EXPECT_EQ(in->flags, out.flags);
    EXPECT_EQ(in->mss, out.mss);
    EXPECT_EQ(int{in->window_shift}, int{out.window_shift});
    EXPECT_EQ(in->sack_permitted, out.sack_permitted);
    EXPECT_EQ(in->timestamp_echo, out.timestamp_echo);
    ASSERT_EQ(in->sack_count, out.sack_count);
    EXPECT_TRUE(in->sacks == out.sacks);
    EXPECT_EQ(in->payload_size, bytes.size() - size);
  }
}

TEST(TcpSegments, Options_that_lie_about_their_length_end_the_options) {
  std::vector<uint8_t> bytes(24, 0);
  bytes[12] = 0x60;
  bytes[13] = kSyn;
  // MSS of length 0, 1, 5, 255; an unknown one that is longer than what is left.
  for (const uint8_t length : std::initializer_list<uint8_t>{0, 1, 5, 255}) {
    bytes[20] = 2;
    bytes[21] = length;
    const auto segment = TcpSegment::parse(bytes);
    ASSERT_TRUE(segment.has_value());
    EXPECT_EQ(segment->mss, 0);
  }
  bytes[20] = 254;
  bytes[21] = 4;
  EXPECT_TRUE(TcpSegment::parse(bytes).has_value());
}

TEST(TcpCounters, Each_has_a_name_of_its_own) {
  std::vector<std::string_view> names(kTcpCountNames.begin(), kTcpCountNames.end());
  std::sort(names.begin(), names.end());
  EXPECT_FALSE(names.front().empty());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
}

// The reference vector of SipHash's authors: key 00..0f, input 00..0e.
TEST(TcpSecrets, The_hash_is_siphash) {
  std::array<uint8_t, 16> key;
  std::array<uint8_t, 15> text;
  for (size_t i = 0; i < key.size(); ++i) key[i] = static_cast<uint8_t>(i);
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<uint8_t>(i);
  EXPECT_EQ(sip_hash(key, text), 0xa129ca6149be45e5u);
}

TEST(TcpSecrets, Stamps_carry_options_and_are_never_of_the_future) {
  for (uint32_t now = 0xffffff00u; now != 0x200; ++now) {
    for (int shift = -1; shift <= 14; ++shift) {
      const uint32_t stamp = stamp_with_options(now, shift, true);
      EXPECT_LE(static_cast<int32_t>(stamp - now), 0);
      EXPECT_EQ(options_of_stamp(stamp).window_shift, shift);
      EXPECT_TRUE(options_of_stamp(stamp).sack);
    }
  }
}

// Each segment as a row, and every question answered by looking at all of them.
struct PlainBoard {
  struct Plain {
    uint32_t begin, end;
    bool sacked = false, lost = false;
  };
  std::vector<Plain> rows;
  size_t sum(bool Plain::*what) const {
    size_t out = 0;
    for (const Plain& row : rows) out += row.*what ? row.end - row.begin : 0;
    return out;
  }
};

TEST(SentSegments, A_long_random_life_agrees_with_a_plain_board) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    CheapRandom random(seed);
    SentSegments board;
    PlainBoard plain;
    // Near the end of the numbers, so that they wrap.
    uint32_t next = 0xfffff000u;
    uint32_t una = next;
    uint32_t now = 1000;
    for (int step = 0; step < 4000; ++step) {
      now += static_cast<uint32_t>(random.below(50));
      const DeliveryTime time{now, 0, false, 0};
      Delivered delivered;
      switch (random.below(8)) {
        case 0:
        case 1:
        case 2: {
          const auto length = static_cast<uint16_t>(1 + random.below(100));
          board.push(next, length, false, now);
          plain.rows.push_back({next, next + length});
          next += length;
          break;
        }
        case 3:
        case 4: {
          const uint32_t span = next - una;
          if (span == 0) break;
          uint32_t begin = una + static_cast<uint32_t>(random.below(span));
          uint32_t end = begin + static_cast<uint32_t>(random.below(400));
          if (seq_before(next, end)) end = next;
          size_t expected = 0;
          for (auto& row : plain.rows) {
            if (row.sacked || seq_before(row.begin, begin) || seq_before(end, row.end)) continue;
            expected += row.end - row.begin;
            row.sacked = true;
            row.lost = false;
          }
          board.sack(begin, end, time, delivered);
          ASSERT_EQ(delivered.bytes, expected);
          break;
        }
        case 5: {
          if (random.below(3) != 0 || next == una) break;
          una += static_cast<uint32_t>(random.below(next - una + 1) / 4);
          board.acknowledge(una, time, delivered);
          std::erase_if(plain.rows, [&](const auto& row) { return seq_at_most(row.end, una); });
          if (!plain.rows.empty() && seq_before(plain.rows[0].begin, una)) plain.rows[0].begin = una;
          break;
        }
        case 6: {
          if (random.below(30) == 0) {
            board.lose_all();
            for (auto& row : plain.rows) row.lost = !row.sacked;
            break;
          }
          const size_t before = board.lost();
          const auto losses = board.detect_losses(now, next, static_cast<uint32_t>(random.below(2000)), now);
          ASSERT_EQ(board.lost(), before + losses.bytes);
          // Whose turn it is depends on times that the plain board does not keep: it takes them over, and counts.
          size_t lost = 0;
          std::vector<uint32_t> again;
          while (SentSegment* segment = board.next_lost()) {
            lost += segment->span();
            again.push_back(segment->sequence);
            board.sent_again(*segment, now);
          }
          ASSERT_EQ(lost, before + losses.bytes);
          ASSERT_TRUE(std::is_sorted(again.begin(), again.end(), seq_before));
          for (const uint32_t sequence : again) {
            const auto row = std::find_if(plain.rows.begin(), plain.rows.end(),
                                          [&](const auto& each) { return each.begin == sequence; });
            ASSERT_NE(row, plain.rows.end());
            ASSERT_FALSE(row->sacked);
            row->lost = false;
          }
          break;
        }
        default: {
          const SentSegment* last = board.last_open();
          const auto found =
              std::find_if(plain.rows.rbegin(), plain.rows.rend(), [](const auto& row) { return !row.sacked; });
          ASSERT_EQ(last == nullptr, found == plain.rows.rend());
          ASSERT_TRUE(last == nullptr || last->sequence == found->begin);
        }
      }
      ASSERT_EQ(board.size(), plain.rows.size());
      ASSERT_EQ(board.sacked(), plain.sum(&PlainBoard::Plain::sacked));
      ASSERT_EQ(board.lost(), plain.sum(&PlainBoard::Plain::lost));
      ASSERT_EQ(board.in_flight() + board.sacked() + board.lost(), next - una);
    }
  }
}

TEST(ReceiveRing, Pieces_in_any_order_and_overlap_become_the_stream) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    CheapRandom random(seed);
    ReceiveRing ring(16384, 131072);
    size_t in_order = 0;  // of the stream
    size_t read = 0;
    MutableBytes held;  // shown and not released
    size_t held_from = 0;
    std::vector<uint8_t> piece;
    for (int step = 0; step < 5000; ++step) {
      const size_t window = ring.window();
      if (random.below(4) != 0 && window > 0) {
        const size_t ahead = random.below(3) == 0 ? 0 : random.below(window);
        const size_t size = std::min<size_t>(window - ahead, random.below(1500));
        if (size == 0) continue;
        piece.clear();
        for (size_t i = 0; i < size; ++i) piece.push_back(stream_byte(in_order + ahead + i));
        in_order += ring.take(ahead, piece, {}, 0, size).in_order;
      } else {
        const size_t n = random.below(ring.available() + 1);
        std::array<MutableBytes, 1> out;
        if (ring.peek(0, out) == 1) {
          for (size_t i = 0; i < n; ++i) ASSERT_EQ(out[0][i], stream_byte(read + i));
          held = out[0].subspan(n);
        }
        ring.release(n);
        read += n;
        held_from = read;
      }
      if (random.below(10) == 0 && ring.capacity() < ring.most()) ring.grow(2 * ring.capacity());
      ASSERT_EQ(ring.available(), in_order - read);
      // As whoever works on several records at a time does, while the ring takes in more and grows.
      for (size_t i = 0; i < held.size(); i += 97) ASSERT_EQ(held[i], stream_byte(held_from + i));
    }
    EXPECT_GT(ring.capacity(), 16384u) << "it has found a moment to grow";
  }
}

TEST(SentSegments, Losing_all_again_looks_at_no_more_than_was_sent_since) {
  constexpr size_t kSegments = 20'000;
  SentSegments board;
  uint32_t next = 1;
  for (size_t i = 0; i < kSegments; ++i, next += 100) board.push(next, 100, false, 1);
  EXPECT_EQ(board.lose_all(), kSegments);
  EXPECT_EQ(board.in_flight(), 0u);
  size_t steps = 0;
  for (int i = 0; i < 1000; ++i) steps += board.lose_all();
  EXPECT_EQ(steps, 0u);
  // Each time one is sent again.
  for (int i = 0; i < 1000; ++i) {
    board.sent_again(*board.next_lost(), 2);
    steps += board.lose_all();
  }
  EXPECT_LE(steps, 1000u);
  EXPECT_EQ(board.lost(), kSegments * 100);
}

TEST(ReceiveRing, A_peer_who_was_not_read_from_yet_gets_few_gaps) {
  ReceiveRing ring(size_t{1} << 20, size_t{1} << 20);
  const std::vector<uint8_t> piece(10, 1);
  size_t kept = 0;
  for (size_t i = 0; i < 1000; ++i) kept += ring.take(100 + i * 20, piece, {}, 0, piece.size()).kept;
  EXPECT_EQ(kept, ReceiveRing::kFirstRanges);
  // Whoever is read from earns more.
  ReceiveRing read(size_t{1} << 20, size_t{1} << 20);
  const std::vector<uint8_t> much(500 * ReceiveRing::kRangeWorth, 1);
  read.take(0, much, {}, 0, much.size());
  read.release(much.size());
  kept = 0;
  for (size_t i = 0; i < 1000; ++i) kept += read.take(100 + i * 20, piece, {}, 0, piece.size()).kept;
  EXPECT_EQ(kept, ReceiveRing::kFirstRanges + 500);
}

// Mappings of its own until the kernel has no more for this process.
class NoMoreMappings {
 public:
  NoMoreMappings() : page_(static_cast<size_t>(::sysconf(_SC_PAGESIZE))) {
    // Neighbours that may not be joined, by what they allow.
    for (bool readable = false;; readable = !readable) {
      void* at = ::mmap(nullptr, page_, readable ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (at == MAP_FAILED) return;
      held_.push_back(at);
      if (held_.size() > 200'000) return;
    }
  }
  ~NoMoreMappings() {
    for (void* at : held_) ::munmap(at, page_);
  }
  bool reached() const { return held_.size() <= 200'000; }

 private:
  size_t page_;
  std::deque<void*> held_;
};

TEST(ReceiveRing, What_it_holds_outlives_a_growth_that_the_kernel_refuses) {
  ReceiveRing ring(8192, 65536);
  const std::vector<uint8_t> bytes(5000, 7);
  ring.take(0, bytes, {}, 0, bytes.size());
  ring.release(100);
  {
    const NoMoreMappings full;
    if (!full.reached()) GTEST_SKIP() << "this system has no such bound";
    EXPECT_FALSE(ring.grow(16384));
  }
  ASSERT_TRUE(ring.ok());
  EXPECT_EQ(ring.capacity(), 8192u);
  std::array<MutableBytes, 1> out;
  ASSERT_EQ(ring.peek(0, out), 1u);
  ASSERT_EQ(out[0].size(), 4900u);
  EXPECT_TRUE(std::all_of(out[0].begin(), out[0].end(), [](uint8_t byte) { return byte == 7; }));
  // And it works on, through its mirror.
  ring.release(4900);
  for (int lap = 0; lap < 10; ++lap) {
    ring.take(0, bytes, {}, 0, bytes.size());
    ASSERT_EQ(ring.peek(0, out), 1u);
    ASSERT_TRUE(std::all_of(out[0].begin(), out[0].end(), [](uint8_t byte) { return byte == 7; }));
    ring.release(bytes.size());
  }
  EXPECT_TRUE(ring.grow(16384)) << "when there is room again";
}

TEST(ReceiveRing, Bytes_stay_at_their_place_when_it_grows) {
  ReceiveRing ring(8192, 65536);
  std::vector<uint8_t> bytes(200, 7);
  ring.take(0, bytes, {}, 0, 200);
  ring.release(100);
  std::array<MutableBytes, 1> before;
  std::array<MutableBytes, 1> after;
  ring.peek(0, before);
  ASSERT_TRUE(ring.grow(16384));
  ring.peek(0, after);
  EXPECT_EQ(before[0].data(), after[0].data());
  EXPECT_EQ(after[0][99], 7);
}

// A record is worked on at the address where it was shown, while those before it are released.
TEST(ReceiveRing, Bytes_that_were_shown_behind_the_end_of_a_lap_stay_there) {
  ReceiveRing ring(8192, 65536);
  const std::vector<uint8_t> lap(8000, 1);
  ring.take(0, lap, {}, 0, lap.size());
  ring.release(lap.size());
  ring.take(0, lap, {}, 0, lap.size());
  ring.release(lap.size());
  const std::vector<uint8_t> bytes(1000, 7);
  ring.take(0, bytes, {}, 0, bytes.size());
  std::array<MutableBytes, 1> shown;
  ASSERT_EQ(ring.peek(0, shown), 1u);
  // What is left lies in the lap where growing would be easiest, but is known by its address in the one before.
  ring.release(600);
  ring.grow(16384);
  const MutableBytes rest = shown[0].subspan(600);
  EXPECT_TRUE(std::all_of(rest.begin(), rest.end(), [](uint8_t byte) { return byte == 7; }));
  // Shown again from where it lies now it hinders nobody.
  ring.release(400);
  ring.take(0, bytes, {}, 0, bytes.size());
  ASSERT_EQ(ring.peek(0, shown), 1u);
  EXPECT_TRUE(ring.grow(16384) || ring.capacity() == 16384);
  EXPECT_TRUE(std::all_of(shown[0].begin(), shown[0].end(), [](uint8_t byte) { return byte == 7; }));
}

TEST(Congestion, Cubic_returns_to_where_it_was_in_the_time_that_the_rfc_says) {
  Congestion cubic;
  cubic.begin(1000);
  cubic.set_cwnd(1'000'000);
  cubic.on_loss(cubic.cwnd());
  cubic.set_cwnd(cubic.ssthresh());
  EXPECT_EQ(cubic.cwnd(), 700'000u);
  // K = cbrt(W_max (1 - beta) / C), 9.09 s for 1,000 segments; one segment less is cbrt(1 / C) earlier.
  const uint64_t rtt = 200'000;
  uint64_t now = 1'000'000;
  uint64_t reached = 0;
  for (; now < 30'000'000 && reached == 0; now += rtt) {
    cubic.on_ack(cubic.cwnd(), true, rtt, now);
    if (cubic.cwnd() >= 999'000) reached = now;
  }
  EXPECT_NEAR(static_cast<double>(reached), 1.0e6 + 9.09e6 - 1.36e6, 0.4e6);
}

TEST(Congestion, A_window_that_is_not_used_does_not_grow) {
  Congestion cubic;
  cubic.begin(1000);
  const size_t before = cubic.cwnd();
  for (uint64_t i = 0; i < 100; ++i) cubic.on_ack(1000, false, 1000, i * 1000);
  EXPECT_EQ(cubic.cwnd(), before);
}

TEST(Congestion, Slow_start_ends_when_the_round_trips_become_longer) {
  Congestion cubic;
  cubic.begin(1000);
  uint32_t una = 0;
  uint64_t rtt = 20'000;
  for (int round = 0; round < 30 && cubic.slow_start(); ++round) {
    const auto flight = static_cast<uint32_t>(cubic.cwnd());
    for (uint32_t done = 0; done < flight; done += 1000) {
      una += 1000;
      cubic.on_rtt(rtt, una, una + flight);
      cubic.on_ack(1000, true, rtt, static_cast<uint64_t>(round) * rtt);
    }
    if (flight > 100'000) rtt += 10'000;
  }
  EXPECT_FALSE(cubic.slow_start());
  EXPECT_LT(cubic.cwnd(), 2'000'000u);
}

}  // namespace
}  // namespace sluice::test
