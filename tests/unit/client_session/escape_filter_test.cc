// Escapes at the beginning of a line, and nowhere else.
#include "services/client_session/escape_filter.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

struct Typed {
  std::string data;
  std::vector<EscapeOrder> orders;
  std::string echo;
  std::string words;
};

Typed type(std::string_view text, int escape = '~', bool command_line = true, size_t piece = 1) {
  EscapeFilter filter(escape, command_line);
  Typed out;
  while (!text.empty()) {
    const auto part = text.substr(0, piece);
    text.remove_prefix(part.size());
    const auto taken = filter.take(bytes_of(part));
    out.data.append(text_of(taken.data));
    out.echo.append(taken.echo);
    for (const EscapeEvent& event : taken.events) {
      out.orders.push_back(event.order);
      if (!event.words.empty()) out.words = event.words;
    }
  }
  return out;
}

TEST(EscapeFilter, An_escape_counts_at_the_beginning_and_after_each_line_end) {
  EXPECT_EQ(type("~.").orders, std::vector<EscapeOrder>{EscapeOrder::disconnect});
  EXPECT_EQ(type("a\r~.").orders, std::vector<EscapeOrder>{EscapeOrder::disconnect});
  EXPECT_EQ(type("a\n~?b").orders, std::vector<EscapeOrder>{EscapeOrder::help});
  EXPECT_TRUE(type("a~.").orders.empty());
  EXPECT_EQ(type("a~.").data, "a~.");
}

TEST(EscapeFilter, Pieces_of_any_size_are_the_same_text) {
  for (const size_t piece : {1u, 2u, 3u, 100u}) {
    const auto out = type("one\r~#two\r~~.\r~R", '~', true, piece);
    EXPECT_EQ(out.data, "one\rtwo\r~.\r");
    EXPECT_EQ(out.orders, (std::vector<EscapeOrder>{EscapeOrder::list, EscapeOrder::rekey}));
  }
}

TEST(EscapeFilter, What_is_no_escape_goes_through_as_it_was_typed) {
  EXPECT_EQ(type("~x").data, "~x");
  EXPECT_EQ(type("~~").data, "~");
  EXPECT_EQ(type("~.", -1).data, "~.");
  EXPECT_EQ(type("~.^.", '^').data, "~.^.");
}

TEST(EscapeFilter, Another_character_may_be_the_escape) {
  EXPECT_EQ(type("^\x1a", '^').orders, std::vector<EscapeOrder>{EscapeOrder::suspend});
}

TEST(EscapeFilter, A_command_line_is_edited_echoed_and_handed_over) {
  const auto out = type("~C-L 1:h:22\x7f\r");
  EXPECT_EQ(out.orders, std::vector<EscapeOrder>{EscapeOrder::command});
  EXPECT_EQ(out.words, "-L 1:h:2");
  EXPECT_EQ(out.data, "");
  EXPECT_NE(out.echo.find("ssh> "), std::string::npos);
}

TEST(EscapeFilter, A_command_line_can_be_given_up_and_be_switched_off) {
  EXPECT_TRUE(type("~C-L\x03").orders.empty());
  EXPECT_TRUE(type("~C", '~', false).orders.empty());
  EXPECT_NE(type("~C", '~', false).echo.find("disabled"), std::string::npos);
  EXPECT_EQ(type("~C" + std::string(5000, 'x') + "\r").words.size(), kMaxEscapeLine);
}

}  // namespace
}  // namespace sluice
