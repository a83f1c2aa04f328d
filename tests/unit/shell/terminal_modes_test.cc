// Terminal modes of RFC 4254 section 8, both ways.
#include "services/shell/terminal_modes.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/wire.h"

namespace sluice {
namespace {

TEST(TerminalModes, end_at_the_end_at_the_unknown_and_where_they_are_cut) {
  const auto modes = [](WireWriter& out) { return parse_terminal_modes(out.view()); };
  WireWriter whole, unknown, cut;
  whole.u8(53).u32(1).u8(0).u8(54).u32(1);
  EXPECT_EQ(modes(whole), (std::vector<TerminalMode>{{53, 1}}));
  unknown.u8(53).u32(0).u8(160).u32(1).u8(54).u32(1);
  EXPECT_EQ(modes(unknown), (std::vector<TerminalMode>{{53, 0}}));
  cut.u8(53).u32(1).u8(54).u8(0);
  EXPECT_EQ(modes(cut), (std::vector<TerminalMode>{{53, 1}}));
  EXPECT_TRUE(parse_terminal_modes({}).empty());
  std::vector<uint8_t> endless(5000, 1);
  EXPECT_LE(parse_terminal_modes(endless).size(), 256u);
}

TEST(TerminalModes, change_what_they_name_and_nothing_else) {
  termios terminal{};
  terminal.c_lflag = ECHO | ICANON;
  terminal.c_cflag = CS8 | PARENB;
  apply_terminal_modes({{53, 0}, {50, 1}, {3, 8}, {1, 255}, {91, 0}, {90, 1}, {17, 5}, {129, 115200}, {128, 12345}},
                       terminal);
  EXPECT_EQ(terminal.c_lflag, tcflag_t{ICANON | ISIG});
  EXPECT_EQ(terminal.c_cc[VERASE], 8);
  EXPECT_EQ(terminal.c_cc[VINTR], 0);
  EXPECT_EQ(terminal.c_cflag & CSIZE, tcflag_t{CS7});
  EXPECT_NE(terminal.c_cflag & PARENB, 0u);
  EXPECT_EQ(::cfgetospeed(&terminal), speed_t{B115200});
}

TEST(TerminalModes, come_back_from_their_encoding) {
  termios terminal{};
  terminal.c_iflag = ICRNL | IUTF8;
  terminal.c_oflag = OPOST | ONLCR;
  terminal.c_lflag = ECHO | ICANON | ISIG | ECHOCTL;
  terminal.c_cflag = CS8;
  terminal.c_cc[VINTR] = 3;
  terminal.c_cc[VERASE] = 127;
  ::cfsetospeed(&terminal, B38400);
  ::cfsetispeed(&terminal, B38400);
  const auto encoded = encode_terminal_modes(terminal);
  EXPECT_EQ(encoded.back(), 0);
  termios other{};
  // What is off is told too.
  other.c_lflag = TOSTOP;
  apply_terminal_modes(parse_terminal_modes(encoded), other);
  EXPECT_EQ(other.c_iflag, terminal.c_iflag);
  EXPECT_EQ(other.c_oflag, terminal.c_oflag);
  EXPECT_EQ(other.c_lflag, terminal.c_lflag);
  EXPECT_EQ(other.c_cflag & CSIZE, tcflag_t{CS8});
  EXPECT_EQ(::cfgetospeed(&other), speed_t{B38400});
  EXPECT_TRUE(std::equal(std::begin(terminal.c_cc), std::end(terminal.c_cc), std::begin(other.c_cc)));
}

}  // namespace
}  // namespace sluice
