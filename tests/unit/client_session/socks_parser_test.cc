// SOCKS requests in one piece and in many, and what is none.
#include "services/client_session/socks_parser.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

using State = SocksParser::State;

std::vector<uint8_t> bytes(std::initializer_list<int> values, std::string_view text = {}) {
  std::vector<uint8_t> out;
  for (const int value : values) out.push_back(static_cast<uint8_t>(value));
  out.insert(out.end(), text.begin(), text.end());
  return out;
}

std::vector<uint8_t> operator+(std::vector<uint8_t> a, const std::vector<uint8_t>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

State feed(SocksParser& parser, const std::vector<uint8_t>& all, size_t piece, std::vector<uint8_t>& replies) {
  State state = State::more;
  for (size_t at = 0; at < all.size(); at += piece) {
    std::vector<uint8_t> reply;
    state = parser.take(Bytes(all).subspan(at, std::min(piece, all.size() - at)), reply);
    replies.insert(replies.end(), reply.begin(), reply.end());
    if (state == State::refused) break;
  }
  return state;
}

TEST(SocksParser, Version_5_names_a_host_and_hears_how_it_went) {
  const auto request = bytes({5, 2, 2, 0}) + bytes({5, 1, 0, 3, 4}, "host") + bytes({0x1f, 0x90}) + bytes({}, "early");
  for (const size_t piece : {1u, 3u, 100u}) {
    SocksParser parser;
    std::vector<uint8_t> replies;
    ASSERT_EQ(feed(parser, request, piece, replies), State::ready);
    EXPECT_EQ(replies, bytes({5, 0}));
    EXPECT_EQ(parser.host(), "host");
    EXPECT_EQ(parser.port(), 8080);
    EXPECT_EQ(text_of(parser.rest()), "early");
    EXPECT_EQ(parser.answer(true)[1], 0);
    EXPECT_EQ(parser.answer(false)[1], 5);
  }
}

TEST(SocksParser, Version_5_takes_addresses_of_both_kinds) {
  SocksParser four, six;
  std::vector<uint8_t> replies;
  EXPECT_EQ(feed(four, bytes({5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, 0, 22}), 100, replies), State::ready);
  EXPECT_EQ(four.host(), "127.0.0.1");
  EXPECT_EQ(
      feed(six, bytes({5, 1, 0, 5, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 22}), 100, replies),
      State::ready);
  EXPECT_EQ(six.host(), "::1");
}

TEST(SocksParser, Version_4_has_addresses_and_4a_names) {
  SocksParser four, named;
  std::vector<uint8_t> replies;
  EXPECT_EQ(feed(four, bytes({4, 1, 0, 80, 10, 0, 0, 1}, std::string("me\0", 3)), 1, replies), State::ready);
  EXPECT_EQ(four.host(), "10.0.0.1");
  EXPECT_EQ(feed(named, bytes({4, 1, 0, 80, 0, 0, 0, 1}, std::string("me\0name\0", 8)), 1, replies), State::ready);
  EXPECT_EQ(named.host(), "name");
  EXPECT_EQ(named.answer(true)[1], 90);
}

TEST(SocksParser, What_cannot_be_done_is_refused) {
  std::vector<uint8_t> replies;
  SocksParser bind, methods, http, endless;
  EXPECT_EQ(feed(bind, bytes({5, 1, 0, 5, 2, 0, 1, 127, 0, 0, 1, 0, 22}), 100, replies), State::refused);
  EXPECT_EQ(feed(methods, bytes({5, 1, 2}), 100, replies), State::refused);
  EXPECT_EQ(feed(http, bytes({}, "GET / HTTP/1.1\r\n"), 100, replies), State::refused);
  EXPECT_EQ(feed(endless, bytes({4, 1, 0, 80, 10, 0, 0, 1}, std::string(5000, 'x')), 100, replies), State::refused);
}

}  // namespace
}  // namespace sluice
