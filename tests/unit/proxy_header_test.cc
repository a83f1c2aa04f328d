// The PROXY header, version 2, whole and wrong.
#include "control/proxy_header.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace sluice {
namespace {

constexpr uint8_t kSignature[] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

std::vector<uint8_t> header(uint8_t command, uint8_t family, const std::vector<uint8_t>& body) {
  std::vector<uint8_t> out(std::begin(kSignature), std::end(kSignature));
  out.push_back(command);
  out.push_back(family);
  out.push_back(static_cast<uint8_t>(body.size() >> 8));
  out.push_back(static_cast<uint8_t>(body.size()));
  out.insert(out.end(), body.begin(), body.end());
  return out;
}

std::vector<uint8_t> v4_body() { return {192, 0, 2, 1, 198, 51, 100, 7, 0x9c, 0x40, 0, 22}; }

std::vector<uint8_t> v6_body() {
  std::vector<uint8_t> body(36);
  body[0] = 0x20, body[1] = 0x01, body[2] = 0x0d, body[3] = 0xb8, body[15] = 1;
  body[16] = 0x20, body[17] = 0x01, body[18] = 0x0d, body[19] = 0xb8, body[31] = 2;
  body[32] = 0x9c, body[33] = 0x40, body[35] = 22;
  return body;
}

// How many bytes it takes of the stream, in steps; nothing: refused.
std::optional<size_t> feed(ProxyHeaderReader& reader, Bytes stream, size_t step) {
  size_t taken = 0;
  while (!reader.complete()) {
    const MutableBytes place = reader.wanted();
    const size_t n = std::min({place.size(), stream.size() - taken, step});
    if (n == 0) return std::nullopt;
    std::copy_n(stream.begin() + static_cast<ptrdiff_t>(taken), n, place.begin());
    taken += n;
    if (!reader.take(n)) return std::nullopt;
  }
  return taken;
}

bool taken(const std::vector<uint8_t>& stream) {
  ProxyHeaderReader reader;
  return feed(reader, stream, 1000).has_value();
}

TEST(ProxyHeader, says_both_ends_and_takes_no_byte_of_what_follows) {
  for (const size_t step : {size_t{1}, size_t{7}, size_t{16}, size_t{1000}}) {
    auto stream = header(0x21, 0x11, v4_body());
    const size_t size = stream.size();
    for (const char c : std::string_view("SSH-2.0-client\r\n")) stream.push_back(static_cast<uint8_t>(c));
    ProxyHeaderReader reader;
    EXPECT_EQ(feed(reader, stream, step), size);
    ASSERT_TRUE(reader.ends());
    EXPECT_EQ(reader.ends()->from.text(), "192.0.2.1");
    EXPECT_EQ(reader.ends()->from_port, 40000);
    EXPECT_EQ(reader.ends()->to.text(), "198.51.100.7");
    EXPECT_EQ(reader.ends()->to_port, 22);
  }
  ProxyHeaderReader six;
  ASSERT_TRUE(feed(six, header(0x21, 0x21, v6_body()), 5));
  EXPECT_EQ(six.ends()->from.text(), "2001:db8::1");
  EXPECT_EQ(six.ends()->to.text(), "2001:db8::2");
}

TEST(ProxyHeader, passes_over_attributes_that_are_whole_and_refuses_others) {
  auto body = v4_body();
  body.insert(body.end(), {0x04, 0, 2, 'x', 'y', 0x20, 0, 0});
  EXPECT_TRUE(taken(header(0x21, 0x11, body)));
  body.insert(body.end(), {0x04, 0, 9, 'x'});
  EXPECT_FALSE(taken(header(0x21, 0x11, body)));
  auto cut = v4_body();
  cut.push_back(0x04);
  EXPECT_FALSE(taken(header(0x21, 0x11, cut)));
}

TEST(ProxyHeader, of_the_proxy_itself_names_nobody) {
  ProxyHeaderReader reader;
  EXPECT_TRUE(feed(reader, header(0x20, 0x00, {1, 2, 3}), 4));
  EXPECT_FALSE(reader.ends());
}

TEST(ProxyHeader, that_is_not_version_2_over_tcp_is_refused_from_its_first_wrong_byte) {
  const std::string_view text = "PROXY TCP4 192.0.2.1 198.51.100.7 40000 22\r\n";
  ProxyHeaderReader reader;
  reader.wanted()[0] = static_cast<uint8_t>(text[0]);
  EXPECT_FALSE(reader.take(1)) << "version 1, or an SSH client";
  EXPECT_FALSE(taken(header(0x11, 0x11, v4_body()))) << "version 1 in binary";
  EXPECT_FALSE(taken(header(0x22, 0x11, v4_body()))) << "an unknown command";
  EXPECT_FALSE(taken(header(0x21, 0x12, v4_body()))) << "UDP";
  EXPECT_FALSE(taken(header(0x21, 0x31, v4_body()))) << "a local socket";
  EXPECT_FALSE(taken(header(0x21, 0x00, v4_body()))) << "a family that is not said";
  auto short_body = v4_body();
  short_body.pop_back();
  EXPECT_FALSE(taken(header(0x21, 0x11, short_body)));
  EXPECT_FALSE(taken(header(0x21, 0x21, v4_body())));
  EXPECT_TRUE(taken(header(0x20, 0x00, std::vector<uint8_t>(kMaxProxyHeader - 16))));
  EXPECT_FALSE(taken(header(0x20, 0x00, std::vector<uint8_t>(kMaxProxyHeader - 15)))) << "longer than we read";
}

}  // namespace
}  // namespace sluice
