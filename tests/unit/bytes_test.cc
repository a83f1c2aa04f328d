// Byte helpers, secrets and mirrored memory.
#include "base/bytes.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace sluice
