// What is done for every frame, against plain ways of doing the same: sums, and whose a segment is.
#include <numeric>

#include "base/random.h"
#include "dataplane/netstack/inet_checksum.h"
#include "tests/unit/netstack/packet_script.h"

namespace sluice::test {
namespace {

// RFC 1071, byte by byte.
uint16_t plain_sum(const std::vector<uint8_t>& bytes) {
  uint64_t sum = 0;
  for (size_t i = 0; i < bytes.size(); ++i) sum += i % 2 == 0 ? uint64_t{bytes[i]} << 8 : bytes[i];
  while (sum >> 16 != 0) sum = (sum >> 16) + (sum & 0xffff);
  return static_cast<uint16_t>(sum);
}

std::vector<uint8_t> random_bytes(CheapRandom& random, size_t n) {
  std::vector<uint8_t> out(n);
  for (uint8_t& byte : out) byte = static_cast<uint8_t>(random.next());
  return out;
}

TEST(InetChecksums, Pieces_of_any_length_have_the_sum_of_the_whole) {
  CheapRandom random(7);
  for (int i = 0; i < 2000; ++i) {
    const auto bytes = random_bytes(random, random.below(200));
    InetChecksum sum;
    for (size_t at = 0; at < bytes.size();) {
      const size_t n = std::min<size_t>(1 + random.below(70), bytes.size() - at);
      sum.add(Bytes(bytes).subspan(at, n));
      at += n;
    }
    ASSERT_EQ(sum.folded(), plain_sum(bytes)) << "of " << bytes.size() << " bytes, round " << i;
  }
}

TEST(InetChecksums, A_pseudo_header_and_a_header_of_words_are_summed_as_bytes_are) {
  CheapRandom random(8);
  for (const bool v6 : {false, true}) {
    const auto from = random_bytes(random, 16), to = random_bytes(random, 16), header = random_bytes(random, 24);
    const auto address = [&](const auto& bytes) {
      return v6 ? IpAddress::of_v6(bytes.data()) : IpAddress::of_v4(bytes.data());
    };
    const size_t size = v6 ? 16 : 4;
    std::vector<uint8_t> all(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(size));
    all.insert(all.end(), to.begin(), to.begin() + static_cast<std::ptrdiff_t>(size));
    all.insert(all.end(), {0, 0, 0, 6, 0, 0, 0x12, 0x34});
    all.insert(all.end(), header.begin(), header.end());
    const auto sum =
        InetChecksum().add_header(header.data(), 6).add_pseudo_header(address(from), address(to), 6, 0x1234);
    EXPECT_EQ(sum.folded(), plain_sum(all));
  }
}

TEST(TcpFinding, Connections_whose_ports_fall_together_are_told_apart) {
  PacketScript script;
  script.stack.listen(script.local, script);
  struct Peer {
    IpEndpoint at;
    uint32_t own_first;
    std::unique_ptr<TcpTransport> transport;
  };
  std::vector<Peer> peers;
  for (uint16_t i = 0; i < 3; ++i) {
    script.remote.port = static_cast<uint16_t>(40000 + 256 * i);
    script.own_known = false;
    script.in({.flags = kSyn, .seq = 0, .mss = 1460});
    script.out({.flags = kSyn | kAck, .seq = 0, .ack = 1});
    script.in({.seq = 1, .ack = 1});
    ASSERT_NE(script.transport, nullptr);
    peers.push_back({script.remote, script.own_first, std::move(script.transport)});
  }
  const auto say = [&](const Peer& peer, uint32_t seq) {
    script.remote = peer.at;
    script.own_first = peer.own_first;
    script.in({.seq = seq, .ack = 1, .len = 100});
  };
  for (uint32_t round = 0; round < 3; ++round) {
    for (size_t i = 0; i < peers.size(); ++i) {
      say(peers[i], 1 + 100 * round);
      for (size_t k = 0; k < peers.size(); ++k) {
        EXPECT_EQ(peers[k].transport->available(), 100 * (round + (k <= i ? 1u : 0u)));
      }
    }
  }
  // One that is gone is not found again.
  peers[2].transport->abort();
  script.drain();
  say(peers[2], 301);
  script.out({.flags = kRst, .seq = 1});
  say(peers[1], 301);
  EXPECT_EQ(peers[1].transport->available(), 400u);
}

}  // namespace
}  // namespace sluice::test
