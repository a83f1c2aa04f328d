// The transport over a kernel socket: where in its ring bytes arrive.
#include "drivers/socket_transport.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>

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
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  ASSERT_EQ(::listen(listener, 1), 0);
  const int peer = ::socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_EQ(::connect(peer, reinterpret_cast<sockaddr*>(&address), size), 0);
  SocketTransport transport(::accept(listener, nullptr, nullptr));

  cpu_set_t allowed;
  ASSERT_EQ(::sched_getaffinity(0, sizeof allowed, &allowed), 0);
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (!CPU_ISSET(core, &allowed)) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
    ASSERT_EQ(::send(peer, "x", 1, 0), 1);
    EXPECT_EQ(transport.peer_core(), core);
  }
  ASSERT_EQ(::sched_setaffinity(0, sizeof allowed, &allowed), 0);
  ::close(peer);
  ::close(listener);
}

TEST(SocketTransport, knows_no_core_of_a_peer_behind_a_unix_socket) {
  Pair pair;
  pair.take_in("x");
  EXPECT_EQ(pair.transport->peer_core(), -1);
}

}  // namespace
}  // namespace sluice
