// Accepting over loopback: who is let in, what the others are told, and what happens without descriptors.
#include "control/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "tests/support/test_peer.h"

namespace sluice {
namespace {

int connect_to(const Endpoint& where) {
  sockaddr_storage storage{};
  socklen_t size;
  if (where.address.v4) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(where.port);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    std::memcpy(&storage, &in, size = sizeof in);
  } else {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(where.port);
    in.sin6_addr = in6addr_loopback;
    std::memcpy(&storage, &in, size = sizeof in);
  }
  const int fd = ::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&storage), size), 0) << std::strerror(errno);
  return fd;
}

std::string read_to_end(int fd) {
  const timeval patience{5, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  std::string out;
  char piece[256];
  for (ssize_t n; (n = ::recv(fd, piece, sizeof piece, 0)) > 0;) out.append(piece, static_cast<size_t>(n));
  return out;
}

LoginLimits wide() {
  LoginLimits limits;
  limits.rate_per_minute = 1000000;
  limits.sessions = limits.unauthenticated = limits.unauthenticated_per_source = 1000;
  return limits;
}

class ListenerTest : public testing::Test {
 protected:
  ListenerTest() {
    set_log_sink([this](LogLevel, std::string_view line) { log_.emplace_back(line); });
  }
  ~ListenerTest() override {
    for (const Arrival& arrival : arrivals_) ::close(arrival.descriptor);
    for (const int fd : peers_) ::close(fd);
    set_log_sink({});
  }
  void listen(ListenerConfig config, const char* address = "127.0.0.1", const SocketMarks& marks = {}) {
    listener_ = std::make_unique<Listener>(end_.loop(), std::move(config),
                                           [this](Arrival arrival) { arrivals_.push_back(std::move(arrival)); });
    auto socket = ListeningSocket::open({.address = address, .port = 0}, marks);
    ASSERT_TRUE(socket) << socket.error();
    std::vector<ListeningSocket> sockets;
    sockets.push_back(std::move(*socket));
    listener_->listen(std::move(sockets));
  }
  Endpoint where() const { return listener_->endpoints()[0]; }
  int connect() { return peers_.emplace_back(connect_to(where())); }
  void step(int times = 5) {
    for (int i = 0; i < times; ++i) end_.loop().step(5);
  }
  uint64_t refused(ConnectAnswer why) const { return listener_->counters().refused[static_cast<size_t>(why)].get(); }

  test::TestEnd end_;
  std::vector<std::string> log_;
  std::vector<int> peers_;
  std::unique_ptr<Listener> listener_;
  std::vector<Arrival> arrivals_;
};

TEST_F(ListenerTest, lets_in_and_says_from_where) {
  listen({wide()});
  connect();
  step();
  ASSERT_EQ(arrivals_.size(), 1u);
  EXPECT_EQ(arrivals_[0].from.address.text(), "127.0.0.1");
  EXPECT_EQ(arrivals_[0].to.text(), where().text());
  EXPECT_EQ(listener_->ledger().sessions(), 1u);
  arrivals_[0].place.authenticated();
  EXPECT_EQ(listener_->ledger().unauthenticated(), 0u);
  arrivals_[0].place.ended(ConnectionEnd::orderly, Instant(ControlLoop::now_ms()));
  EXPECT_EQ(listener_->ledger().sessions(), 0u);
}

TEST_F(ListenerTest, accepted_sockets_have_the_marks_and_no_delay) {
  listen({wide()}, "", {.dscp = 16});
  connect();
  step();
  ASSERT_EQ(arrivals_.size(), 1u);
  const auto option = [&](int level, int name) {
    int value = -1;
    socklen_t size = sizeof value;
    ::getsockopt(arrivals_[0].descriptor, level, name, &value, &size);
    return value;
  };
  EXPECT_EQ(option(IPPROTO_IP, IP_TOS), 16 << 2);
  EXPECT_EQ(option(IPPROTO_IPV6, IPV6_TCLASS), 16 << 2);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_NODELAY), 1);
  EXPECT_EQ(option(SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_NE(::fcntl(arrivals_[0].descriptor, F_GETFL) & O_NONBLOCK, 0);
  EXPECT_FALSE(ListeningSocket::open({.address = "127.0.0.1", .port = 0}, {.dscp = 64}));
}

TEST_F(ListenerTest, the_window_scale_is_announced_to_whoever_connects) {
  for (const unsigned scale : {3u, 7u}) {
    listen({wide()}, "127.0.0.1", {.window_scale = scale});
    const int peer = connect();
    step();
    tcp_info info{};
    socklen_t size = sizeof info;
    ASSERT_EQ(::getsockopt(peer, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
    EXPECT_EQ(info.tcpi_snd_wscale, scale);
  }
}

TEST_F(ListenerTest, whom_no_access_list_admits_is_turned_away_and_not_counted_as_a_stranger) {
  bool admit = false;
  std::string asked;
  ListenerConfig config{wide()};
  config.admits = [&](std::string_view device, const Address& from) {
    asked = std::string(device) + "/" + from.text();
    return admit;
  };
  listen(config, "127.0.0.1");
  const int first = connect();
  step();
  EXPECT_EQ(read_to_end(first), "Not allowed from your address.\r\n");
  EXPECT_EQ(asked, "/127.0.0.1");
  EXPECT_EQ(refused(ConnectAnswer::access), 1u);
  EXPECT_EQ(listener_->ledger().sessions(), 0u);
  admit = true;
  connect();
  step();
  EXPECT_EQ(arrivals_.size(), 1u);
}

TEST_F(ListenerTest, every_address_of_both_families_is_one_socket_and_v6_alone_another) {
  listen({wide()}, "");
  const uint16_t port = where().port;
  peers_.push_back(connect_to({Address::of(std::array<uint8_t, 4>{127, 0, 0, 1}), port}));
  step();
  ASSERT_EQ(arrivals_.size(), 1u);
  EXPECT_EQ(arrivals_[0].from.address.text(), "127.0.0.1") << "not its mapped form";
  // Beside an IPv4 socket on the same port there is room for an IPv6 one that leaves IPv4 alone.
  auto four = ListeningSocket::open({.address = "0.0.0.0", .port = 0}, {});
  ASSERT_TRUE(four) << four.error();
  auto six = ListeningSocket::open({.address = "::", .port = four->endpoint().port}, {});
  EXPECT_TRUE(six) << six.error();
  EXPECT_FALSE(ListeningSocket::open({.address = "localhost", .port = 0}, {})) << "names are not looked up";
}

TEST_F(ListenerTest, new_sockets_replace_the_old_and_connections_stay) {
  listen({wide()});
  connect();
  step();
  const Endpoint old = where();
  std::vector<ListeningSocket> sockets;
  sockets.push_back(std::move(*ListeningSocket::open({.address = "127.0.0.1", .port = 0}, {})));
  listener_->listen(std::move(sockets));
  EXPECT_NE(old.port, where().port);
  connect();
  step();
  EXPECT_EQ(arrivals_.size(), 2u);
  EXPECT_EQ(::send(arrivals_[0].descriptor, "x", 1, 0), 1);
}

TEST_F(ListenerTest, whoever_is_turned_away_reads_why) {
  LoginLimits limits = wide();
  limits.sessions = 1;
  listen({limits});
  connect();
  const int second = connect();
  step();
  EXPECT_EQ(arrivals_.size(), 1u);
  EXPECT_EQ(read_to_end(second), "Too many sessions: try again later.\r\n");
  EXPECT_EQ(refused(ConnectAnswer::sessions), 1u);
  limits.sessions = 1000;
  limits.unauthenticated_per_source = 1;
  listener_->configure({limits});
  const int third = connect();
  step();
  EXPECT_EQ(read_to_end(third), "Too many logins at once from your address: try again later.\r\n");
  limits.unauthenticated_per_source = 1000;
  limits.unauthenticated = 1;
  listener_->configure({limits});
  const int fourth = connect();
  step();
  EXPECT_EQ(read_to_end(fourth), "Too many logins at once: try again later.\r\n");
  EXPECT_EQ(refused(ConnectAnswer::unauthenticated), 1u);
}

TEST_F(ListenerTest, a_place_that_is_given_back_is_free_and_its_end_may_cost_a_penalty) {
  listen({wide(), {.threshold = Instant(3000)}});
  connect();
  step();
  arrivals_[0].place.ended(ConnectionEnd::failed_login, Instant(ControlLoop::now_ms()));
  EXPECT_EQ(listener_->ledger().sessions(), 0u);
  const int again = connect();
  step();
  EXPECT_EQ(read_to_end(again), "Not allowed now, after what came from your address: try again later.\r\n");
  EXPECT_EQ(refused(ConnectAnswer::penalty), 1u);
}

TEST_F(ListenerTest, a_flood_is_counted_and_fills_no_log) {
  LoginLimits limits = wide();
  limits.rate_per_minute = 1;
  listen({limits});
  for (int i = 0; i < 50; ++i) connect();
  step(20);
  EXPECT_EQ(arrivals_.size(), 1u);
  EXPECT_EQ(refused(ConnectAnswer::rate), 49u);
  EXPECT_LE(log_.size(), 2u);
}

TEST_F(ListenerTest, without_descriptors_it_pauses_and_then_goes_on) {
  listen({.limits = wide(), .pause_ms = 20});
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int peer = connect();
  rlimit none = before;
  none.rlim_cur = static_cast<rlim_t>(peer) + 1;
  // Numbers below it may be free: take them.
  std::vector<int> fillers;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  for (int fd; (fd = ::dup(peer)) >= 0;) fillers.push_back(fd);
  const int64_t began = ControlLoop::now_ms();
  int steps = 0;
  for (; ControlLoop::now_ms() - began < 100; ++steps) end_.loop().step(100);
  EXPECT_TRUE(arrivals_.empty());
  EXPECT_GE(listener_->counters().pauses.get(), 2u);
  EXPECT_LE(steps, 20) << "it spins";
  for (const int fd : fillers) ::close(fd);
  ::setrlimit(RLIMIT_NOFILE, &before);
  for (int i = 0; i < 50 && arrivals_.empty(); ++i) end_.loop().step(20);
  EXPECT_EQ(arrivals_.size(), 1u);
}

class ProxyListenerTest : public ListenerTest {
 protected:
  // Whoever the header names: 192.0.2.`last`.
  static std::string header(uint8_t last) {
    std::string out("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", 16);
    for (const int byte : {192, 0, 2, int{last}, 127, 0, 0, 1, 0x9c, 0x40, 0, 22}) out += static_cast<char>(byte);
    return out;
  }
  void listen_behind_proxies(int64_t header_ms = 3000) {
    ListenerConfig config{wide()};
    config.proxies.push_back(*AddressRange::parse("127.0.0.0/8"));
    config.proxy_header_ms = header_ms;
    listen(std::move(config));
  }
  int send(std::string_view bytes) {
    const int fd = connect();
    EXPECT_EQ(::send(fd, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    return fd;
  }
};

TEST_F(ProxyListenerTest, the_header_says_whom_the_ledger_counts_and_the_client_s_bytes_stay) {
  listen_behind_proxies();
  send(header(7) + "SSH-2.0-x\r\n");
  step();
  ASSERT_EQ(arrivals_.size(), 1u);
  EXPECT_EQ(arrivals_[0].from.text(), "192.0.2.7:40000");
  char bytes[64];
  EXPECT_EQ(::recv(arrivals_[0].descriptor, bytes, sizeof bytes, 0), 11);
  arrivals_[0].place.ended(ConnectionEnd::misbehaved, Instant(ControlLoop::now_ms()));
  EXPECT_EQ(read_to_end((send(header(7)), step(), peers_.back())).substr(0, 11), "Not allowed");
  send(header(8));
  step();
  EXPECT_EQ(arrivals_.size(), 2u) << "another client of the same proxy";
}

TEST_F(ProxyListenerTest, no_header_a_late_one_and_one_of_version_1_end_the_connection) {
  listen_behind_proxies(40);
  const int plain = send("SSH-2.0-x\r\n");
  const int text = send("PROXY TCP4 192.0.2.1 198.51.100.7 40000 22\r\n");
  const int half = send(header(7).substr(0, 20));
  step();
  EXPECT_EQ(read_to_end(plain), "");
  EXPECT_EQ(read_to_end(text), "");
  const int64_t began = ControlLoop::now_ms();
  while (ControlLoop::now_ms() - began < 60) end_.loop().step(10);
  EXPECT_EQ(read_to_end(half), "");
  EXPECT_TRUE(arrivals_.empty());
  EXPECT_EQ(listener_->counters().bad_proxy_header.get(), 3u);
  EXPECT_EQ(listener_->ledger().sessions(), 0u);
}

TEST_F(ListenerTest, only_listening_tcp_sockets_are_adopted) {
  const int listening = ::socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_FALSE(ListeningSocket::adopt(::dup(listening), {})) << "it does not listen";
  ASSERT_EQ(::listen(listening, 1), 0);
  const auto adopted = ListeningSocket::adopt(listening, {});
  ASSERT_TRUE(adopted) << adopted.error();
  EXPECT_NE(adopted->endpoint().port, 0);
  EXPECT_NE(::fcntl(listening, F_GETFD) & FD_CLOEXEC, 0);
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  EXPECT_FALSE(ListeningSocket::adopt(ends[0], {}));
  EXPECT_FALSE(ListeningSocket::adopt(1000000, {}));
  ::close(ends[1]);
}

TEST(GivenSockets, come_from_descriptor_3_on_and_only_to_the_process_they_are_for) {
  const auto run = [](bool for_us) {
    const pid_t child = ::fork();
    if (child == 0) {
      const int listening = ::socket(AF_INET, SOCK_STREAM, 0);
      ::listen(listening, 1);
      ::dup2(listening, 3);
      ::setenv("LISTEN_PID", std::to_string(for_us ? ::getpid() : 1).c_str(), 1);
      ::setenv("LISTEN_FDS", "1", 1);
      const auto given = ListeningSocket::given({});
      const size_t wanted = for_us ? 1 : 0;
      ::_exit(given && given->size() == wanted && ::getenv("LISTEN_FDS") == nullptr ? 0 : 1);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    return status;
  };
  EXPECT_EQ(run(true), 0);
  EXPECT_EQ(run(false), 0);
}

TEST(ControlLoop, gives_new_sessions_to_the_least_loaded_worker_and_serves_all) {
  test::TestEnd server_end("", 3), client_end;
  test::TestServer server(server_end, {});
  server_end.start();
  std::vector<std::shared_ptr<test::ClientResult>> results;
  test::ClientOptions options;
  options.config.kex = {"curve25519-sha256"};
  options.to_send = 1u << 20;
  for (int i = 0; i < 9; ++i) results.push_back(test::connect_client(client_end, server.port(), options));
  client_end.start();
  for (const auto& result : results) {
    for (int i = 0; i < 6000 && !result->channel_closed && !result->ended; ++i) ::usleep(10000);
    EXPECT_TRUE(result->channel_closed && !result->wrong) << result->disconnect;
  }
  client_end.stop();
  server_end.stop();
  for (size_t port = 0; port < 3; ++port) EXPECT_EQ(server_end.loop().sessions_on(port), 3u);
}

TEST(ControlLoop, counts_nobody_as_a_worker_s_load_before_his_login) {
  test::TestEnd server_end("", 2), client_end;
  test::TestServer server(server_end, {});
  server_end.start();
  std::vector<int> strangers;
  for (int i = 0; i < 7; ++i) {
    strangers.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(server.port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::connect(strangers.back(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  for (int i = 0; i < 6000 && server.accepted() < strangers.size(); ++i) ::usleep(10000);
  std::vector<std::shared_ptr<test::ClientResult>> results;
  test::ClientOptions options;
  options.config.kex = {"curve25519-sha256"};
  options.to_send = 1u << 20;
  for (int i = 0; i < 4; ++i) results.push_back(test::connect_client(client_end, server.port(), options));
  client_end.start();
  for (const auto& result : results) {
    for (int i = 0; i < 6000 && !result->channel_closed && !result->ended; ++i) ::usleep(10000);
    EXPECT_TRUE(result->channel_closed && !result->wrong) << result->disconnect;
  }
  client_end.stop();
  server_end.stop();
  EXPECT_EQ(server_end.loop().connections(), strangers.size() + results.size());
  for (size_t port = 0; port < 2; ++port) EXPECT_EQ(server_end.loop().sessions_on(port), 2u);
  for (const int stranger : strangers) ::close(stranger);
}

}  // namespace
}  // namespace sluice
