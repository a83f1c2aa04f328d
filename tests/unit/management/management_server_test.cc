// The operators' socket with a peer that sends ahead, and with a ticket whose session ends.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "tests/unit/management/shell_world.h"

namespace sluice::test {
namespace {

class ManagementServerTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::string path = host.folder.path() + "/socket";
    ASSERT_TRUE(server.listen(path));
    peer = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size());
    ASSERT_EQ(::connect(peer.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }

  void send(const ManagementRequest& request) {
    const auto frame = write_management_request(request);
    size_t sent = 0;
    while (sent < frame.size()) {
      const ssize_t n = ::send(peer.get(), frame.data() + sent, frame.size() - sent, MSG_NOSIGNAL);
      if (n < 0) server.on_ready();
      sent += n > 0 ? static_cast<size_t>(n) : 0;
    }
  }

  // What came until nothing does; `over` when the server has hung up.
  size_t read_all() {
    size_t all = 0;
    std::array<char, 65536> bytes;
    for (int quiet = 0; quiet < 3;) {
      server.on_ready();
      const ssize_t n = ::read(peer.get(), bytes.data(), bytes.size());
      if (n == 0) over = true;
      if (n <= 0) ++quiet;
      if (n > 0) quiet = 0, all += static_cast<size_t>(n);
    }
    return all;
  }

  FakeHost host;
  bool ticket_is_good = true;
  ManagementServer server{host, [this](const std::string& ticket) -> std::optional<Operator> {
                            if (!ticket_is_good || ticket != "good") return std::nullopt;
                            return Operator{"ann", 1, "vty"};
                          }};
  UniqueFd peer;
  bool over = false;
};

TEST_F(ManagementServerTest, Requests_that_are_sent_ahead_are_answered_one_after_the_other) {
  send(HelloRequest{"good", false});
  constexpr int kMany = 12000;
  for (int i = 0; i < kMany; ++i) send(LineRequest{});
  EXPECT_GE(read_all(), static_cast<size_t>(kMany));
  EXPECT_FALSE(over);
  EXPECT_EQ(server.operators(), 1u);
}

TEST_F(ManagementServerTest, No_further_request_is_begun_before_an_answer_is_read) {
  send(HelloRequest{"good", false});
  read_all();
  int socket_room = 4096;
  ::setsockopt(peer.get(), SOL_SOCKET, SO_RCVBUF, &socket_room, sizeof socket_room);
  for (int i = 0; i < 2000; ++i) send(LineRequest{"show ssh"});
  for (int i = 0; i < 100; ++i) server.on_ready();
  EXPECT_LT(host.asked.size(), 2000u);
  read_all();
  EXPECT_EQ(host.asked.size(), 2000u);
}

TEST_F(ManagementServerTest, A_ticket_is_worth_nothing_once_its_session_is_over) {
  send(HelloRequest{"good", false});
  send(LineRequest{"show privilege"});
  EXPECT_GT(read_all(), 0u);
  ticket_is_good = false;
  send(LineRequest{"show privilege"});
  read_all();
  EXPECT_TRUE(over);
  EXPECT_EQ(server.operators(), 0u);
}

TEST_F(ShellTest, Each_line_has_one_reply_also_when_it_finishes_at_once) {
  int replies = 0;
  const auto count = [&](ShellReply) { ++replies; };
  shell.execute("crypto key generate ed25519", count);
  EXPECT_EQ(replies, 1);
  shell.execute("crypto key zeroize ed25519", count);
  shell.execute("yes", count);
  EXPECT_EQ(replies, 3);
  EXPECT_EQ(host.key_changes, 2);
}

TEST_F(ShellTest, Debugging_is_turned_off_for_no_session_in_particular) {
  run("debug ssh server session 15");
  EXPECT_NE(shell.debug_mask(), 0u);
  run("no debug ssh server session");
  EXPECT_EQ(shell.debug_mask(), 0u);
}

TEST_F(ShellTest, A_no_behind_do_is_heeded) {
  run("configure");
  run("do debug ip ssh");
  run("do no debug ip ssh");
  EXPECT_EQ(shell.debug_mask(), 0u);
}

}  // namespace
}  // namespace sluice::test
