// What debugging tells of packets, in both of the routers' ways to say it, and that a machine tells each step once.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/debug_words.h"
#include "control/transport/transport_debug.h"

namespace sluice::test {
namespace {

std::vector<std::string> of_kind(const std::vector<DebugLine>& lines, uint32_t kind) {
  std::vector<std::string> texts;
  for (const DebugLine& line : lines)
    if ((line.kind & kind) != 0) texts.push_back(line.text);
  return texts;
}

using Lines = std::vector<std::string>;

TEST(TransportDebug, a_packet_before_keys_has_no_mac) {
  // 4 octets of length, 1 of padding's length, 620 of payload, 7 of padding.
  const auto lines = lines_of_packet({&plain_suite(), 0, 620, 7, 20, false});
  EXPECT_EQ(of_kind(lines, kDebugWhole),
            (Lines{"ssh_receive: 632 bytes received", "input: packet len 632", "partial packet 8, need 624, maclen 0",
                   "input: padlen 7", "received packet type 20"}));
  EXPECT_EQ(of_kind(lines, kDebugPacket),
            (Lines{"ssh_receive: 632 bytes received", "input: total packet length of 632 bytes",
                   "partial packet length(block size)8 bytes,needed 624 bytes, maclen 0", "input: padlength 7 bytes"}));
}

TEST(TransportDebug, a_sealed_packet_tells_its_number_block_and_mac) {
  const CipherSuite* suite = find_suite("aes128-ctr", "hmac-sha1");
  ASSERT_NE(suite, nullptr);
  const auto lines = lines_of_packet({suite, 3, 17, 10, 5, false});
  EXPECT_EQ(of_kind(lines, kDebugWhole),
            (Lines{"ssh_receive: 52 bytes received", "input: packet len 32", "partial packet 16, need 16, maclen 20",
                   "MAC #3 ok", "input: padlen 10", "received packet type 5"}));
  EXPECT_TRUE(std::ranges::count(of_kind(lines, kDebugPacket), "MAC compared for #3 :ok") == 1);
}

TEST(TransportDebug, a_login_tells_no_length_that_is_a_passwords) {
  const CipherSuite* suite = find_suite("aes128-ctr", "hmac-sha1");
  const auto lines = lines_of_packet({suite, 4, 60, 15, 50, false});
  for (const DebugLine& line : lines) EXPECT_EQ(line.text.find("pad"), std::string::npos) << line.text;
  EXPECT_EQ(of_kind(lines, kDebugWhole).back(), "received packet type 50");
  // The other way round: passwords of one length and of another in the same record look the same.
  const auto texts = [](const std::vector<DebugLine>& all) { return of_kind(all, kDebugPackets); };
  EXPECT_EQ(texts(lines), texts(lines_of_packet({suite, 4, 65, 10, 50, false})));
}

TEST(TransportDebug, a_packet_that_goes_tells_its_padding_and_then_its_number) {
  const CipherSuite* suite = find_suite("aes128-ctr", "hmac-sha1");
  // A message of control's is told of when it is sent, and numbered by its worker.
  EXPECT_EQ(of_kind(lines_of_sending(17, *suite), kDebugWhole), Lines{"send: len 32 (includes padlen 10)"});
  EXPECT_EQ(of_kind(lines_of_sending(17, *suite), kDebugPacket),
            Lines{"send:packet of length 32 (length also includes padlen of 10)"});
  EXPECT_EQ(of_kind(lines_of_packet({suite, 4, 17, 10, 6, true}), kDebugWhole), Lines{"done calc MAC out #4"});
  // A channel's message is its worker's alone.
  EXPECT_EQ(of_kind(lines_of_packet({suite, 5, 17, 10, 94, true}), kDebugWhole),
            (Lines{"send: len 32 (includes padlen 10)", "done calc MAC out #5"}));
  EXPECT_TRUE(lines_of_packet({&plain_suite(), 0, 17, 10, 20, true}).empty());
}

TEST(TransportDebug, what_a_peer_says_is_one_line_of_bounded_length) {
  std::vector<uint8_t> request{50};
  const auto add = [&](std::string_view text) {
    const auto size = static_cast<uint32_t>(text.size());
    for (const int shift : {24, 16, 8, 0}) request.push_back(static_cast<uint8_t>(size >> shift));
    request.insert(request.end(), text.begin(), text.end());
  };
  add("root\n%SECURITY-SSHD-6-INFO_SUCCESS : accepted\x1b[2J"), add("ssh-connection");
  add(std::string(100'000, 'm') + "\n");
  for (const std::string& line : lines_of_received(request)) {
    EXPECT_EQ(line.find_first_of("\n\x1b"), std::string::npos);
    EXPECT_LT(line.size(), 1000u);
  }
  // Of a password nothing.
  request = {50};
  add("ann"), add("ssh-connection"), add("password");
  request.push_back(0);
  add("s3cret");
  for (const auto& lines : {lines_of_received(request), lines_of_sent(request)})
    for (const std::string& line : lines) EXPECT_EQ(line.find("s3cret"), std::string::npos) << line;
}

}  // namespace
}  // namespace sluice::test
