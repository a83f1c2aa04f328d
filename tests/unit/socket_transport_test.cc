// The transport over a kernel socket: where in its ring bytes arrive.
#include "drivers/socket_transport.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>

#include "tests/support/loopback_pair.h"

namespace sluice {
namespace {

struct Pair {
  Pair() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
    peer = ends[0];
    transport = std::make_unique<SocketTransport>(ends[1]);
  }
  ~Pair() { ::close(peer); }

  const uint8_t* take_in(const std::string& bytes) {
    EXPECT_EQ(::send(peer, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    transport->receive();
    std::array<MutableBytes, 1> piece;
    EXPECT_EQ(transport->peek(0, piece), 1u);
    EXPECT_GE(piece[0].size(), bytes.size());
    EXPECT_EQ(std::string(piece[0].end() - static_cast<ptrdiff_t>(bytes.size()), piece[0].end()), bytes);
    return piece[0].data();
  }

  int peer = -1;
  std::unique_ptr<SocketTransport> transport;
};

TEST(SocketTransport, takes_what_comes_into_the_same_pages_when_all_before_is_released) {
  Pair pair;
  const uint8_t* const first = pair.take_in(std::string(3000, 'a'));
  pair.transport->release(3000);
  EXPECT_EQ(pair.transport->available(), 0u);
  EXPECT_EQ(pair.take_in(std::string(5000, 'b')), first);
  // A rest stays where it is, and what comes is behind it.
  pair.transport->release(4000);
  EXPECT_EQ(pair.take_in(std::string(10, 'c')), first + 4000);
  EXPECT_EQ(pair.transport->available(), 1010u);
  pair.transport->release(1010);
  EXPECT_EQ(pair.take_in("d"), first);
}

TEST(SocketTransport, leaves_the_headroom_before_the_first_byte_alone) {
  Pair pair;
  std::array<MutableBytes, 1> piece;
  pair.take_in("first");
  ASSERT_EQ(pair.transport->peek(0, piece), 1u);
  for (size_t i = 1; i <= kReceiveHeadroom; ++i) piece[0].data()[-static_cast<ptrdiff_t>(i)] = 0x55;
  pair.take_in("second");
  for (size_t i = 1; i <= kReceiveHeadroom; ++i) EXPECT_EQ(piece[0].data()[-static_cast<ptrdiff_t>(i)], 0x55);
  EXPECT_EQ(pair.transport->available(), 11u);
}

TEST(SocketTransport, knows_from_which_core_a_peer_on_this_machine_sent) {
  const test::LoopbackPair pair;
  SocketTransport transport(pair.accepted);

  const cpu_set_t allowed = test::allowed_cores();
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (!CPU_ISSET(core, &allowed)) continue;
    test::stay_on(core);
    ASSERT_EQ(::send(pair.connected, "x", 1, 0), 1);
    EXPECT_EQ(transport.peer_core(), core);
  }
  ASSERT_EQ(::sched_setaffinity(0, sizeof allowed, &allowed), 0);
  ::close(pair.connected);
}

TEST(SocketTransport, knows_no_core_of_a_peer_behind_a_unix_socket) {
  Pair pair;
  pair.take_in("x");
  EXPECT_EQ(pair.transport->peer_core(), -1);
}

}  // namespace
}  // namespace sluice
