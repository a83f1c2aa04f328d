// RecordPool: as much memory as it was given, and no more blocks than that has room for.
#include "dataplane/record_pool.h"

#include <gtest/gtest.h>

#include <vector>

namespace sluice {
namespace {

constexpr size_t kNormal = 60'000, kLarge = 250'000;

TEST(RecordPool, keeps_within_the_memory_that_it_was_given) {
  for (const size_t megabytes : {16u, 17u, 64u, 1000u}) {
    const size_t bytes = megabytes << 20;
    RecordPool pool(RecordPoolSize::within(bytes));
    EXPECT_LE(pool.memory().size(), bytes);
    EXPECT_GT(pool.memory().size(), bytes - 128 * 1024);
    EXPECT_GE(pool.available(kLarge), 4u);
    EXPECT_GT(pool.available(kNormal), 200u);
  }
}

TEST(RecordPool, is_empty_when_all_of_it_is_taken) {
  RecordPool pool(RecordPoolSize::within(16 << 20));
  std::vector<uint8_t*> taken;
  while (uint8_t* record = pool.take(kNormal)) taken.push_back(record);
  EXPECT_EQ(pool.available(kNormal), 0u);
  EXPECT_NE(pool.take(kLarge), nullptr);
  pool.give(taken.back());
  EXPECT_EQ(pool.take(kNormal), taken.back());
  EXPECT_EQ(pool.take(kNormal), nullptr);
}

}  // namespace
}  // namespace sluice
