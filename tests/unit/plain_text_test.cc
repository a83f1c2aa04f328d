// Strangers' texts for terminals and the log.
#include "base/plain_text.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/log.h"

namespace sluice {
namespace {

TEST(PlainText, Text_in_any_script_stays_as_it_is) {
  const std::string text = "plain, \xc3\xa4\xc3\xb6, \xe2\x82\xac, \xf0\x9f\x90\x8c\n\tand more";
  EXPECT_EQ(terminal_text(text), text);
}

TEST(PlainText, Control_characters_are_dropped) {
  EXPECT_EQ(terminal_text("a\x1b[31mb\rc\x7f\bd"), "a[31mbcd");
  EXPECT_EQ(terminal_text("a\xc2\x9b"
                          "31mb\xc2\x80\xc2\x9f"),
            "a31mb");
}

TEST(PlainText, Bytes_that_are_no_characters_are_questions) {
  EXPECT_EQ(terminal_text("\x9b"
                          "31m"),
            "?31m");
  EXPECT_EQ(terminal_text("\xc3"), "?");
  EXPECT_EQ(terminal_text("\xe0\x82\x9b"), "???");  // U+009B, longer than it need be
  EXPECT_EQ(terminal_text("\xc0\x9b\xed\xa0\x80\xf4\x90\x80\x80"), "?????????");
}

// Two halves of U+009B around something that is dropped.
TEST(PlainText, Nothing_that_is_dropped_joins_its_neighbours_to_a_control_character) {
  for (const std::string middle : {"\x01", "\xc2\x9b", "\x1b", "\x7f"}) {
    const std::string shown = terminal_text("\xc2" + middle +
                                            "\x9b"
                                            "31m");
    EXPECT_EQ(shown.find("\xc2\x9b"), std::string::npos);
    EXPECT_EQ(shown, terminal_text(shown));
  }
}

TEST(PlainText, A_line_of_the_log_stays_one_line_whoever_wrote_it) {
  std::vector<std::string> lines;
  set_log_sink([&](LogLevel, std::string_view text) { lines.emplace_back(text); });
  log_line(LogLevel::error, "ended: bye\r\nNov 25 accepted publickey for root\x1b]0;x\x07");
  set_log_sink({});
  EXPECT_EQ(lines, std::vector<std::string>{"ended: bye Nov 25 accepted publickey for root]0;x"});
}

}  // namespace
}  // namespace sluice
