// The ring between two threads.
#include "base/ring.h"

#include <gtest/gtest.h>

#include <thread>

namespace sluice {
namespace {

TEST(Ring, Refuses_when_full_and_keeps_order) {
  Ring<int, 4> ring;
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(ring.push(int{i}));
  EXPECT_FALSE(ring.push(9));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(ring.pop(), i);
  EXPECT_EQ(ring.pop(), std::nullopt);
  EXPECT_TRUE(ring.empty());
}

TEST(Ring, Carries_every_value_once_and_in_order_between_threads) {
  constexpr uint64_t kCount = 200000;
  Ring<uint64_t, 64> ring;
  std::thread producer([&ring] {
    for (uint64_t i = 0; i < kCount; ++i) {
      while (!ring.push(uint64_t{i})) std::this_thread::yield();
    }
  });
  uint64_t expected = 0;
  while (expected < kCount) {
    const auto value = ring.pop();
    if (!value) {
      std::this_thread::yield();
      continue;
    }
    ASSERT_EQ(*value, expected++);
  }
  producer.join();
}

}  // namespace
}  // namespace sluice
