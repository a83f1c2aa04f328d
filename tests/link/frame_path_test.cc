// FramePath: what it does to frames, and that a seed decides it.
#include "tests/link/frame_path.h"

#include <gtest/gtest.h>

#include <bit>
#include <numeric>

namespace sluice::link {
namespace {

using Frames = std::vector<std::vector<uint8_t>>;

std::vector<uint8_t> numbered(size_t n, size_t size = 100) {
  std::vector<uint8_t> frame(size, 0);
  frame[20] = static_cast<uint8_t>(n);
  frame[21] = static_cast<uint8_t>(n >> 8);
  return frame;
}

Frames through(const FramePathSettings& settings, size_t n, FramePathCounts* counts = nullptr) {
  FramePath path(settings);
  for (size_t i = 0; i < n; ++i) path.put(numbered(i), i * 1000);
  Frames out;
  path.take_due(UINT64_MAX - 1, [&](Bytes frame) {
    out.emplace_back(frame.begin(), frame.end());
    return true;
  });
  if (counts) *counts = path.counts();
  return out;
}

TEST(FramePath, lets_everything_through_in_order_when_nothing_is_set) {
  const Frames out = through({}, 200);
  ASSERT_EQ(out.size(), 200u);
  for (size_t i = 0; i < out.size(); ++i) EXPECT_EQ(out[i], numbered(i));
}

TEST(FramePath, does_the_same_for_the_same_seed) {
  FramePathSettings settings{.loss = 0.2, .duplicate = 0.1, .corrupt = 0.1, .reorder = 0.2, .seed = 7};
  const Frames once = through(settings, 500);
  EXPECT_EQ(once, through(settings, 500));
  settings.seed = 8;
  EXPECT_NE(once, through(settings, 500));
}

TEST(FramePath, loses_about_as_many_as_it_is_told) {
  FramePathCounts counts;
  const Frames out = through({.loss = 0.1}, 10000, &counts);
  EXPECT_EQ(out.size() + counts.lost, 10000u);
  EXPECT_GT(counts.lost, 800u);
  EXPECT_LT(counts.lost, 1200u);
}

TEST(FramePath, damages_one_bit_and_no_byte_of_ethernets_header) {
  const Frames out = through({.corrupt = 1}, 300);
  ASSERT_EQ(out.size(), 300u);
  for (size_t i = 0; i < out.size(); ++i) {
    const auto whole = numbered(i);
    int bits = 0;
    for (size_t j = 0; j < whole.size(); ++j) bits += std::popcount(static_cast<unsigned>(whole[j] ^ out[i][j]));
    EXPECT_EQ(bits, 1);
    EXPECT_TRUE(std::equal(whole.begin(), whole.begin() + 14, out[i].begin()));
  }
}

TEST(FramePath, keeps_frames_for_the_delay) {
  FramePath path({.delay_ns = 5000});
  path.put(numbered(1), 100);
  int seen = 0;
  const auto take = [&](Bytes) {
    ++seen;
    return true;
  };
  EXPECT_EQ(path.next_due(), 5100u);
  path.take_due(5099, take);
  EXPECT_EQ(seen, 0);
  path.take_due(5100, take);
  EXPECT_EQ(seen, 1);
  EXPECT_EQ(path.next_due(), UINT64_MAX);
}

TEST(FramePath, drops_what_its_buffer_does_not_hold_at_its_rate) {
  FramePath path({.rate = 1'000'000, .buffer = 1000});
  for (size_t i = 0; i < 100; ++i) path.put(numbered(i), 0);
  EXPECT_GT(path.counts().overflowed, 80u);
  EXPECT_LT(path.counts().overflowed, 95u);
}

TEST(FramePath, keeps_a_frame_that_nobody_has_room_for) {
  FramePath path({});
  path.put(numbered(1), 0);
  path.take_due(10, [](Bytes) { return false; });
  EXPECT_EQ(path.counts().out, 0u);
  path.take_due(10, [](Bytes) { return true; });
  EXPECT_EQ(path.counts().out, 1u);
}

}  // namespace
}  // namespace sluice::link
