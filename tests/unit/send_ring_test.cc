// The outgoing ring and the pool of blocks.
#include "dataplane/send_ring.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "dataplane/record_pool.h"

namespace sluice {
namespace {

std::vector<Bytes> pending(const SendRing& ring) {
  std::vector<Bytes> out(kMaxPieces);
  out.resize(ring.pending(out));
  return out;
}

TEST(SendRing, Neighbours_are_joined_and_gaps_are_not_sent) {
  SendRing ring(4096);
  uint8_t* a = ring.reserve(100);
  uint8_t* b = ring.reserve(100);
  uint8_t* c = ring.reserve(100);
  EXPECT_TRUE(ring.commit(100, a, 100));
  EXPECT_TRUE(ring.commit(100, b, 60));
  EXPECT_TRUE(ring.commit(100, c + 4, 96));
  const auto pieces = pending(ring);
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(pieces[0].size(), 160u);
  EXPECT_EQ(pieces[1].data(), c + 4);
}

TEST(SendRing, Memory_is_free_again_as_soon_as_it_is_sent) {
  SendRing ring(4096);
  uint8_t* a = ring.reserve(4096);
  EXPECT_EQ(ring.reserve(1), nullptr);
  EXPECT_TRUE(ring.commit(4096, a, 4096));
  ring.sent(1000);
  EXPECT_EQ(ring.room(), 1000u);
  ring.sent(3096);
  EXPECT_EQ(ring.room(), 4096u);
  EXPECT_EQ(ring.pending_bytes(), 0u);
}

TEST(SendRing, A_dropped_reservation_frees_its_place) {
  SendRing ring(4096);
  ring.reserve(4096);
  EXPECT_TRUE(ring.commit(4096, nullptr, 0));
  EXPECT_EQ(ring.room(), 4096u);
}

TEST(SendRing, A_long_random_life_sends_every_byte_in_order) {
  SendRing ring(8192);
  CheapRandom random(3);
  std::vector<uint8_t> expected, sent;
  uint8_t next = 0;
  for (int step = 0; step < 20000; ++step) {
    const size_t n = 1 + random.below(700);
    if (uint8_t* place = ring.reserve(n)) {
      const size_t skip = random.below(std::min<size_t>(n, 5));
      const size_t size = random.below(n - skip + 1);
      for (size_t i = 0; i < size; ++i) expected.push_back(place[skip + i] = next++);
      ASSERT_TRUE(ring.commit(n, place + skip, size));
    }
    size_t budget = random.below(900);
    while (budget > 0 && ring.pending_bytes() > 0) {
      std::array<Bytes, 1> piece;
      ring.pending(piece);
      const size_t part = std::min(budget, piece[0].size());
      sent.insert(sent.end(), piece[0].begin(), piece[0].begin() + static_cast<ptrdiff_t>(part));
      ring.sent(part);
      budget -= part;
    }
  }
  expected.resize(sent.size());
  EXPECT_TRUE(sent == expected);
  EXPECT_GT(sent.size(), 1000000u);
}

// Held in flight as a TCP of our own holds them: views at any place, memory never written before it is free.
TEST(SendRing, A_ring_that_turns_round_early_keeps_every_byte_until_it_is_gone) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CheapRandom random(seed);
    SendRing ring(65536, 64);
    ring.set_lap(8192);
    std::vector<uint8_t> expected;
    uint8_t next = 0;
    size_t most = 0;
    uint8_t* lowest = ring.reserve(0);
    for (int step = 0; step < 20000; ++step) {
      const size_t n = 1 + random.below(2000);
      ASSERT_TRUE(n > ring.room() || ring.room() <= 65536);
      if (uint8_t* place = ring.pending_bytes() > 0 && random.below(3) == 0 ? nullptr : ring.reserve(n)) {
        most = std::max(most, static_cast<size_t>(place + n - lowest));
        const size_t skip = random.below(std::min<size_t>(n, 5));
        const size_t size = random.below(n - skip + 1);
        for (size_t i = 0; i < size; ++i) place[skip + i] = next++;
        if (ring.commit(n, place + skip, size)) {
          expected.insert(expected.end(), place + skip, place + skip + size);
        } else {
          next = static_cast<uint8_t>(next - size);
          ASSERT_TRUE(ring.commit(n, place, 0) || ring.pending_bytes() > 0);
        }
      }
      std::array<Bytes, 8> pieces;
      size_t got = 0;
      const size_t offset = ring.pending_bytes() == 0 ? 0 : random.below(ring.pending_bytes());
      const size_t count = ring.view(offset, 3000, pieces, got);
      size_t at = offset;
      for (size_t i = 0; i < count; ++i) {
        for (const uint8_t byte : pieces[i]) ASSERT_EQ(byte, expected[at++]) << "seed " << seed << " step " << step;
      }
      ASSERT_EQ(at - offset, got);
      const size_t gone = random.below(std::min<size_t>(ring.pending_bytes(), 1800) + 1);
      ring.sent(gone);
      expected.erase(expected.begin(), expected.begin() + static_cast<ptrdiff_t>(gone));
      if (step == 10000) {
        EXPECT_LE(most, 8192 + 2000u);
        ring.set_lap(16384);
      }
    }
    EXPECT_LE(most, 16384 + 2000u);
  }
}

// Many sessions that say little at a time stay in few pages.
TEST(SendRing, An_empty_ring_begins_at_its_beginning_again) {
  SendRing ring(65536);
  uint8_t* const first = ring.reserve(1000);
  ASSERT_TRUE(ring.commit(1000, first + 10, 500));
  ring.sent(499);
  // Not while a byte waits or a place is open.
  uint8_t* const second = ring.reserve(100);
  EXPECT_EQ(second, first + 1000);
  ring.sent(1);
  EXPECT_EQ(ring.reserve(100), first + 1100);
  ASSERT_TRUE(ring.commit(100, second, 0));
  ASSERT_TRUE(ring.commit(100, second + 100, 0));
  EXPECT_EQ(ring.reserve(100), first);
  ASSERT_TRUE(ring.commit(100, first, 100));
  EXPECT_EQ(ring.pending_bytes(), 100u);
  EXPECT_EQ(ring.room(), 65536u - 100);
}

TEST(RecordPool, Hands_out_blocks_of_both_sizes_until_it_is_empty) {
  RecordPool pool({2, 1});
  uint8_t* a = pool.take(100);
  uint8_t* b = pool.take(64000);
  EXPECT_EQ(pool.take(1), nullptr);
  uint8_t* c = pool.take(kMaxRecordLength + 4 + 64);
  ASSERT_TRUE(a && b && c);
  EXPECT_EQ(pool.take(100000), nullptr);
  c[kMaxRecordLength + 4 + 63] = 1;
  a[-64] = 1;
  pool.give(a);
  EXPECT_EQ(pool.take(50), a);
}

}  // namespace
}  // namespace sluice
