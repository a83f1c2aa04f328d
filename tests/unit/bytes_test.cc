// Byte helpers, secrets and mirrored memory.
#include "base/bytes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "base/mirrored_memory.h"
#include "base/secret.h"

namespace sluice {
namespace {

TEST(Bytes, Comparison_sees_every_single_differing_bit) {
  std::array<uint8_t, 64> a{};
  std::array<uint8_t, 64> b{};
  EXPECT_TRUE(equal_in_constant_time(a.data(), b.data(), a.size()));
  for (size_t bit = 0; bit < 8 * a.size(); ++bit) {
    b = a;
    b[bit / 8] = static_cast<uint8_t>(b[bit / 8] ^ (1u << (bit % 8)));
    EXPECT_FALSE(equal_in_constant_time(a.data(), b.data(), a.size())) << bit;
  }
}

TEST(Bytes, Big_endian_stores_are_read_back) {
  uint8_t place[8];
  store_be32(place, 0x01020304);
  EXPECT_EQ(place[0], 1);
  EXPECT_EQ(load_be32(place), 0x01020304u);
  store_be64(place, 0x0102030405060708);
  EXPECT_EQ(load_be64(place), 0x0102030405060708u);
}

TEST(Secret, A_moved_from_secret_is_empty) {
  Secret a(bytes_of("key"));
  Secret b(std::move(a));
  EXPECT_TRUE(a.empty());
  EXPECT_EQ(text_of(b.view()), "key");
}

TEST(MirroredMemory, Bytes_written_past_the_end_appear_at_the_start) {
  MirroredMemory memory(10000);
  EXPECT_EQ(memory.size() % 4096, 0u);
  memory.data()[memory.size() + 5] = 77;
  EXPECT_EQ(memory.data()[5], 77);
  memory.data()[memory.size() - 1] = 78;
  EXPECT_EQ(memory.data()[-1], 78);
}

TEST(MirroredMemory, Of_another_owner_s_bytes_nothing_is_left_whether_little_was_used_or_much) {
  for (const size_t used : {size_t{5000}, MirroredMemory::kUsualSize}) {
    for (int round = 0; round < 3; ++round) {
      MirroredMemory memory(MirroredMemory::kUsualSize);
      ASSERT_EQ(memory.size(), MirroredMemory::kUsualSize);
      for (size_t i = 0; i < memory.size(); i += 100) ASSERT_EQ(memory.data()[i], 0) << used << " " << i;
      std::fill_n(memory.data(), used, 0x5a);
      memory.only_used(used);
    }
    MirroredMemory::trim_kept();
  }
}

TEST(MirroredMemory, Threads_that_take_and_give_never_share_one) {
  std::vector<std::thread> threads;
  std::atomic<bool> shared{false};
  for (uint8_t mark = 1; mark <= 4; ++mark) {
    threads.emplace_back([mark, &shared] {
      for (int i = 0; i < 300; ++i) {
        MirroredMemory memory(MirroredMemory::kUsualSize);
        shared = shared || memory.data()[7] != 0;
        memory.data()[7] = mark;
        if (i % 16 == 0) MirroredMemory::trim_kept();
        shared = shared || memory.data()[7] != mark;
        memory.only_used(8);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(shared);
}

}  // namespace
}  // namespace sluice
