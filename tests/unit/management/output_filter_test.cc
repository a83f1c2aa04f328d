// The bar behind a show: what it takes off the line, and which lines it leaves.
#include <gtest/gtest.h>

#include "apps/sluicectl/output_filter.h"

namespace sluice::ctl {
namespace {

constexpr const char* kText = "ssh server v2\nssh server port 5520\n!\nhostname r1\n";

std::string shown(std::string line) {
  const auto filter = take_filter(line);
  return filter ? filtered(*filter, kText) : "% " + filter.error();
}

TEST(OutputFilter, leaves_the_lines_that_were_asked_for) {
  EXPECT_EQ(shown("show run | include port"), "ssh server port 5520\n");
  EXPECT_EQ(shown("sh run | i ^ssh|r1$"), "ssh server v2\nssh server port 5520\nhostname r1\n");
  EXPECT_EQ(shown("show run|exclude ssh"), "!\nhostname r1\n");
  EXPECT_EQ(shown("do show run | begin ^!"), "!\nhostname r1\n");
  EXPECT_EQ(shown("show run | count ssh"), "Number of lines which match regexp = 2\n");
  EXPECT_EQ(shown("show run | include nothing"), "");
  EXPECT_EQ(shown("show run"), kText);
}

TEST(OutputFilter, is_of_shows_alone_and_is_taken_off_the_line) {
  std::string line = "show run ssh | include 55";
  ASSERT_TRUE(take_filter(line));
  EXPECT_EQ(line, "show run ssh ");
  for (std::string other : {"ssh 192.0.2.1 command \"a | b\"", "banner motd |hello|", "s | include x", ""}) {
    const std::string before = other;
    const auto filter = take_filter(other);
    ASSERT_TRUE(filter) << before;
    EXPECT_EQ(filter->kind, OutputFilter::Kind::none) << before;
    EXPECT_EQ(other, before);
  }
}

TEST(OutputFilter, says_what_is_wrong_with_it) {
  EXPECT_EQ(shown("show run |"), "% behind | stands begin, count, exclude or include, and a pattern");
  EXPECT_EQ(shown("show run | grep x"), "% behind | stands begin, count, exclude or include, and a pattern");
  EXPECT_EQ(shown("show run | include"), "% include wants a pattern");
  EXPECT_EQ(shown("show run | include (a"), "% '(a' is no regular expression");
}

}  // namespace
}  // namespace sluice::ctl
