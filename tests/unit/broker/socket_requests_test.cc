// A broker's requests about sockets that are forwarded.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/broker_fixture.h"
#include "tests/support/temp_folder.h"

namespace sluice {
namespace {

using test::BrokerFixture;
using test::TempFolder;

LinkPolicy all_forwarding() {
  LinkPolicy policy;
  policy.connect_tcp = policy.listen_tcp = policy.connect_unix = policy.listen_unix = policy.agent = true;
  return policy;
}

// A descriptor that accepts on the loopback address, and its port.
std::pair<UniqueFd, uint16_t> loopback_listener() {
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::listen(socket.get(), 16), 0);
  EXPECT_EQ(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  return {std::move(socket), ntohs(address.sin_port)};
}

bool accepts_connection(const UniqueFd& listener) {
  pollfd ready{listener.get(), POLLIN, 0};
  if (::poll(&ready, 1, 10000) != 1) return false;
  return static_cast<bool>(UniqueFd(::accept(listener.get(), nullptr, nullptr)));
}

class BrokerSockets : public testing::Test {
 protected:
  BrokerFixture& broker() {
    if (!made_) made_.emplace(test::own_identity(folder.path()), policy);
    return *made_;
  }

  TempFolder folder;
  LinkPolicy policy = all_forwarding();

 private:
  std::optional<BrokerFixture> made_;
};

TEST_F(BrokerSockets, connects_to_addresses_and_to_names) {
  const auto [listener, port] = loopback_listener();
  for (const char* host : {"127.0.0.1", "localhost"}) {
    auto received = broker().ask(ConnectTcp{host, port});
    BrokerFixture::expect_in<Connected>(received);
    ASSERT_EQ(received.descriptors.size(), 1u);
    EXPECT_NE(::fcntl(received.descriptors[0].get(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_TRUE(accepts_connection(listener)) << host;
  }
}

TEST_F(BrokerSockets, tells_why_a_connection_failed) {
  uint16_t free_port;
  {
    const auto [listener, port] = loopback_listener();
    free_port = port;
  }
  EXPECT_EQ(broker().fault(ConnectTcp{"127.0.0.1", free_port}), BrokerFault::not_reachable);
  EXPECT_EQ(broker().fault(ConnectTcp{"127.0.0.1", 0}), BrokerFault::invalid);
  EXPECT_EQ(broker().fault(ConnectTcp{"127.0.0.1", 65536}), BrokerFault::invalid);
  EXPECT_EQ(broker().fault(ConnectTcp{"name.invalid", 1}), BrokerFault::no_such_host);
}

TEST_F(BrokerSockets, answers_others_while_a_name_is_looked_up) {
  // Looked up aside, so that a quick request overtakes it.
  const auto slow = broker().client().send(ConnectTcp{"a-name-that-does-not-exist.invalid", 9});
  ASSERT_TRUE(slow);
  broker().expect<Attributes>(StatPath{"."});
  const auto first = broker().next_event();
  EXPECT_EQ(first.request, *slow);
}

TEST_F(BrokerSockets, connects_only_where_the_key_permits) {
  const auto [listener, port] = loopback_listener();
  policy.permit_open = {{"127.0.0.1", port}, {"LocalHost", 0}};
  BrokerFixture::expect_in<Connected>(broker().ask(ConnectTcp{"127.0.0.1", port}));
  BrokerFixture::expect_in<Connected>(broker().ask(ConnectTcp{"localhost", port}));
  EXPECT_EQ(broker().fault(ConnectTcp{"127.0.0.1", port + 1u}), BrokerFault::forbidden);
  // Another spelling of the address is another name.
  EXPECT_EQ(broker().fault(ConnectTcp{"127.1", port}), BrokerFault::forbidden);
}

TEST_F(BrokerSockets, listens_on_loopback_unless_gateway_ports_say_otherwise) {
  auto received = broker().ask(ListenTcp{"", 0});
  const auto listening = BrokerFixture::expect_in<Listening>(received);
  ASSERT_FALSE(received.descriptors.empty());
  EXPECT_NE(listening.port, 0u);
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(received.descriptors[0].get(), reinterpret_cast<sockaddr*>(&address), &size);
  EXPECT_EQ(ntohl(address.sin_addr.s_addr), INADDR_LOOPBACK);
  BrokerFixture::expect_in<Connected>(broker().ask(ConnectTcp{"127.0.0.1", listening.port}));
  EXPECT_TRUE(accepts_connection(received.descriptors[0]));
  EXPECT_EQ(broker().fault(ListenTcp{"", listening.port}), BrokerFault::busy);
  // Closed: nobody accepts there any more, though the descriptor is still held here.
  broker().expect<Done>(CloseHandle{listening.handle});
  EXPECT_EQ(broker().fault(ConnectTcp{"127.0.0.1", listening.port}), BrokerFault::not_reachable);
}

TEST_F(BrokerSockets, listens_where_the_client_asks_when_that_is_on) {
  policy.gateway = GatewayPorts::as_asked;
  policy.permit_listen = {{"127.0.0.*", 0}, {"localhost", 0}};
  auto received = broker().ask(ListenTcp{"127.0.0.2", 0});
  BrokerFixture::expect_in<Listening>(received);
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(received.descriptors.at(0).get(), reinterpret_cast<sockaddr*>(&address), &size);
  EXPECT_EQ(ntohl(address.sin_addr.s_addr), INADDR_LOOPBACK + 1);
  EXPECT_EQ(broker().fault(ListenTcp{"", 0}), BrokerFault::forbidden);
  EXPECT_EQ(broker().fault(ListenTcp{"0.0.0.0", 0}), BrokerFault::forbidden);
}

TEST_F(BrokerSockets, listens_on_and_connects_to_paths_that_only_the_user_can_use) {
  auto received = broker().ask(ListenUnix{"sock"});
  const auto listening = BrokerFixture::expect_in<Listening>(received);
  struct stat facts;
  ASSERT_EQ(::lstat((folder / "sock").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
  BrokerFixture::expect_in<Connected>(broker().ask(ConnectUnix{"sock"}));
  EXPECT_TRUE(accepts_connection(received.descriptors.at(0)));
  EXPECT_EQ(broker().fault(ListenUnix{"sock"}), BrokerFault::busy);
  EXPECT_EQ(broker().fault(ConnectUnix{"none"}), BrokerFault::not_found);
  EXPECT_EQ(broker().fault(ConnectUnix{std::string(120, 'x')}), BrokerFault::name_too_long);
  broker().expect<Done>(CloseHandle{listening.handle});
  EXPECT_FALSE(folder.has("sock"));
}

TEST_F(BrokerSockets, replaces_a_stale_socket_when_told_to_and_never_a_file) {
  policy.replace_sockets = true;
  folder.write("file", "precious");
  EXPECT_EQ(broker().fault(ListenUnix{"file"}), BrokerFault::busy);
  EXPECT_EQ(folder.read("file"), "precious");
  const auto first = BrokerFixture::expect_in<Listening>(broker().ask(ListenUnix{"sock"}));
  BrokerFixture::expect_in<Listening>(broker().ask(ListenUnix{"sock"}));
  // The first one's end leaves the second one's path alone.
  broker().expect<Done>(CloseHandle{first.handle});
  EXPECT_TRUE(folder.has("sock"));
}

TEST_F(BrokerSockets, frees_what_listens_when_the_link_closes) {
  auto tcp = broker().ask(ListenTcp{"", 0});
  broker().expect<Listening>(ListenUnix{"sock"});
  const auto agent = broker().expect<Listening>(MakeAgentSocket{});
  broker().drop_link();
  for (int i = 0; i < 600 && folder.has("sock"); ++i) ::usleep(10000);
  EXPECT_FALSE(folder.has("sock"));
  EXPECT_FALSE(std::filesystem::exists(agent.path));
  const auto port = static_cast<uint16_t>(BrokerFixture::expect_in<Listening>(tcp).port);
  UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_NE(::connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
}

TEST_F(BrokerSockets, does_nothing_that_the_policy_does_not_name) {
  policy = {};
  for (const BrokerRequest& request :
       {BrokerRequest(ConnectTcp{"127.0.0.1", 1}), BrokerRequest(ListenTcp{"", 0}), BrokerRequest(ConnectUnix{"x"}),
        BrokerRequest(ListenUnix{"x"}), BrokerRequest(MakeAgentSocket{})})
    EXPECT_EQ(broker().fault(request), BrokerFault::forbidden) << request.index();
}

}  // namespace
}  // namespace sluice
