// RFC 4251 section 5, its own mpint examples among the cases.
#include "base/wire.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

std::vector<uint8_t> mpint_of(std::vector<uint8_t> magnitude) { return WireWriter().mpint(magnitude).take(); }

TEST(Wire, Mpints_are_those_of_the_rfc) {
  EXPECT_EQ(mpint_of({}), (std::vector<uint8_t>{0, 0, 0, 0}));
  EXPECT_EQ(mpint_of({0x09, 0xa3, 0x78, 0xf9, 0xb2, 0xe3, 0x32, 0xa7}),
            (std::vector<uint8_t>{0, 0, 0, 8, 0x09, 0xa3, 0x78, 0xf9, 0xb2, 0xe3, 0x32, 0xa7}));
  EXPECT_EQ(mpint_of({0x80}), (std::vector<uint8_t>{0, 0, 0, 2, 0, 0x80}));
  EXPECT_EQ(mpint_of({0, 0, 1}), (std::vector<uint8_t>{0, 0, 0, 1, 1}));
}

TEST(Wire, Negative_and_padded_mpints_are_refused) {
  for (const std::vector<uint8_t>& bad : {std::vector<uint8_t>{0, 0, 0, 1, 0x80}, std::vector<uint8_t>{0, 0, 0, 1, 0},
                                          std::vector<uint8_t>{0, 0, 0, 2, 0, 0x7f}}) {
    WireReader reader(bad);
    reader.mpint();
    EXPECT_FALSE(reader.ok());
  }
}

TEST(Wire, A_reader_asked_for_too_much_stays_bad) {
  const std::vector<uint8_t> bytes{0, 0, 0, 9, 'x', 'y'};
  WireReader reader(bytes);
  EXPECT_TRUE(reader.string().empty());
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.u8(), 0);
  EXPECT_FALSE(reader.ok());
}

TEST(Wire, What_is_written_is_read) {
  const auto bytes = WireWriter().u8(7).boolean(true).u32(1u << 31).u64(1ull << 40).string("name").take();
  WireReader reader(bytes);
  EXPECT_EQ(reader.u8(), 7);
  EXPECT_TRUE(reader.boolean());
  EXPECT_EQ(reader.u32(), 1u << 31);
  EXPECT_EQ(reader.u64(), 1ull << 40);
  EXPECT_EQ(reader.text(), "name");
  EXPECT_TRUE(reader.ok() && reader.at_end());
}

}  // namespace
}  // namespace sluice
