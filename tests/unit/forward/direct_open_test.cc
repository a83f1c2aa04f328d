// Channels that a client opens to addresses and sockets of the server's side.
#include <sys/socket.h>
#include <sys/un.h>

#include <chrono>

#include "base/random.h"
#include "base/wire.h"
#include "services/forward/forward_state.h"
#include "tests/unit/forward/forward_world.h"

namespace sluice {
namespace {

using namespace test;

class DirectOpen : public testing::Test {
 protected:
  // A connection from the client's application to one that listens here.
  std::shared_ptr<ClientStream> connect() {
    // Before the sockets: the broker's process would have them too.
    world.pair();
    auto [app_end, channel_end] = stream_pair();
    app = std::move(app_end);
    auto [listening, port] = loopback_listener();
    auto facts = world.open_tcp("127.0.0.1", port, std::move(channel_end));
    target = accept_from(listening.get());
    EXPECT_TRUE(target);
    return facts;
  }
  std::optional<OpenFailure> refusal(std::string_view host, uint32_t port) {
    return world.open_tcp(host, port, stream_pair().second)->refused;
  }

  ForwardWorld world;
  UniqueFd app, target;
};

TEST_F(DirectOpen, carries_bytes_between_the_two_sockets) {
  ASSERT_TRUE(connect()->confirmed);
  write_some(app.get(), "hello");
  std::string got;
  ASSERT_TRUE(world.pair().until([&] { return (got += read_some(target.get()).value_or("")) == "hello"; }));
  write_some(target.get(), "answer");
  got.clear();
  ASSERT_TRUE(world.pair().until([&] { return (got += read_some(app.get()).value_or("")) == "answer"; }));
}

TEST_F(DirectOpen, carries_much_both_ways_at_once_without_a_wrong_byte) {
  ASSERT_TRUE(connect()->confirmed);
  world.pair().room = 7;
  struct Way {
    int from, to;
    CheapRandom source, check;
    std::string waiting;
    size_t sent = 0, got = 0;
    bool wrong = false, ended = false;
  };
  constexpr size_t kAll = size_t{24} << 20;
  Way ways[] = {{app.get(), target.get(), CheapRandom(1), CheapRandom(1), {}},
                {target.get(), app.get(), CheapRandom(2), CheapRandom(2), {}}};
  const auto next = [](CheapRandom& random, std::string& out) {
    out.resize(65536);
    random.fill({reinterpret_cast<uint8_t*>(out.data()), out.size()});
  };
  std::string expected[2];
  ASSERT_TRUE(world.pair().until([&] {
    for (int i = 0; i < 2; ++i) {
      Way& way = ways[i];
      if (way.waiting.empty() && way.sent < kAll) next(way.source, way.waiting);
      const size_t n = write_some(way.from, way.waiting);
      way.waiting.erase(0, n);
      if (n > 0 && (way.sent += n) == kAll) ::shutdown(way.from, SHUT_WR);
      const auto got = read_some(way.to);
      way.ended |= !got;
      way.got += got.value_or("").size();
      for (std::string rest = got.value_or(""); !rest.empty();) {
        if (expected[i].empty()) next(way.check, expected[i]);
        const size_t part = std::min(rest.size(), expected[i].size());
        way.wrong |= rest.compare(0, part, expected[i], 0, part) != 0;
        rest.erase(0, part);
        expected[i].erase(0, part);
      }
    }
    return ways[0].ended && ways[1].ended;
  }));
  for (const Way& way : ways) {
    EXPECT_FALSE(way.wrong);
    EXPECT_EQ(way.got, kAll);
  }
  EXPECT_TRUE(world.pair().until([&] { return world.client_counts.open == 0; }));
  const auto& counts = world.services->part<ForwardState>().direct();
  EXPECT_TRUE(world.pair().until([&] { return counts.open == 0; }));
  EXPECT_EQ(counts.received, kAll);
  EXPECT_EQ(counts.sent, kAll);
}

TEST_F(DirectOpen, loses_nothing_when_the_client_closes_right_behind_its_data) {
  ASSERT_TRUE(connect()->confirmed);
  // The target ends its direction first, so that the client's end closes as soon as its own has ended.
  ::shutdown(target.get(), SHUT_WR);
  size_t sent = 0;
  constexpr size_t kAll = 8 << 20;
  const std::string piece(65536, 'x');
  ASSERT_TRUE(world.pair().until([&] {
    if (sent < kAll) sent += write_some(app.get(), piece);
    // Nobody reads yet: window and sockets fill up.
    return sent >= kAll || world.client_counts.sent >= (2 << 20);
  }));
  app.reset();
  for (int i = 0; i < 200; ++i) world.pair().turn();
  size_t got = 0;
  bool ended = false;
  ASSERT_TRUE(world.pair().until([&] {
    const auto some = read_some(target.get());
    ended |= !some;
    got += some.value_or("").size();
    return ended;
  }));
  EXPECT_EQ(got, sent);
}

TEST_F(DirectOpen, passes_half_closed_connections_on) {
  ASSERT_TRUE(connect()->confirmed);
  ::shutdown(app.get(), SHUT_WR);
  ASSERT_TRUE(world.pair().until([&] { return !read_some(target.get()); }));
  write_some(target.get(), "after your end");
  std::string got;
  ASSERT_TRUE(world.pair().until([&] { return (got += read_some(app.get()).value_or("")) == "after your end"; }));
  target.reset();
  ASSERT_TRUE(world.pair().until([&] { return !read_some(app.get()); }));
  EXPECT_TRUE(world.pair().until([&] { return world.client_counts.open == 0; }));
}

TEST_F(DirectOpen, ends_the_channel_when_the_target_resets) {
  const auto facts = connect();
  const linger at_once{1, 0};
  ::setsockopt(target.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  target.reset();
  EXPECT_TRUE(world.pair().until([&] { return !read_some(app.get()); }));
  app.reset();
  EXPECT_TRUE(world.pair().until([&] { return facts->gone; }));
}

TEST_F(DirectOpen, tells_why_there_is_no_connection) {
  uint16_t free_port = 0;
  {
    auto [listening, port] = loopback_listener();
    free_port = port;
  }
  EXPECT_EQ(refusal("127.0.0.1", free_port), OpenFailure::connect_failed);
  EXPECT_EQ(refusal("127.0.0.1", 0), OpenFailure::connect_failed);
  EXPECT_EQ(refusal("127.0.0.1", 70000), OpenFailure::connect_failed);
  EXPECT_EQ(refusal("", 22), OpenFailure::connect_failed);
  EXPECT_EQ(refusal(std::string_view("127.0.0.1\0.example", 18), 22), OpenFailure::connect_failed);
  EXPECT_EQ(refusal(std::string(60000, 'h'), 22), OpenFailure::connect_failed);
  EXPECT_EQ(refusal("name.invalid", 22), OpenFailure::connect_failed);
}

TEST_F(DirectOpen, believes_nothing_that_is_said_of_who_connected) {
  auto [listening, port] = loopback_listener();
  for (const std::string& origin : {std::string(), std::string(60000, '%'), std::string("\r\n\0\x1b[2J\xff", 9)}) {
    const auto facts = world.open("direct-tcpip", direct_extra("127.0.0.1", port, origin), stream_pair().second);
    EXPECT_TRUE(facts->confirmed);
    EXPECT_TRUE(accept_from(listening.get()));
  }
  auto cut = direct_extra("127.0.0.1", port);
  cut.pop_back();
  EXPECT_EQ(world.open("direct-tcpip", cut, stream_pair().second)->refused, OpenFailure::connect_failed);
  EXPECT_EQ(world.open("direct-tcpip", {}, stream_pair().second)->refused, OpenFailure::connect_failed);
}

TEST_F(DirectOpen, is_refused_where_it_is_off) {
  world.settings.local_forwarding = false;
  EXPECT_EQ(refusal("127.0.0.1", 1), OpenFailure::administratively_prohibited);
  EXPECT_EQ(world.services->broker().outstanding(), 0u);
}

TEST_F(DirectOpen, is_refused_to_a_key_that_may_not_forward) {
  world.login.port_forwarding = false;
  EXPECT_EQ(refusal("127.0.0.1", 1), OpenFailure::administratively_prohibited);
  const auto path = WireWriter().string("sock").string("").u32(0).take();
  EXPECT_EQ(world.open("direct-streamlocal@openssh.com", path, stream_pair().second)->refused,
            OpenFailure::administratively_prohibited);
}

TEST_F(DirectOpen, is_refused_by_the_broker_in_the_end) {
  auto [listening, port] = loopback_listener();
  world.policy.permit_open = {{"127.0.0.1", port}};
  EXPECT_TRUE(world.open_tcp("127.0.0.1", port, stream_pair().second)->confirmed);
  EXPECT_EQ(refusal("127.0.0.2", port), OpenFailure::administratively_prohibited);
}

TEST_F(DirectOpen, reaches_sockets_in_the_file_system) {
  UniqueFd listening(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = world.folder / "sock";
  std::copy(path.begin(), path.end(), address.sun_path);
  ASSERT_EQ(::bind(listening.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listening.get(), 4), 0);
  const auto extra = [](std::string_view name) { return WireWriter().string(name).string("").u32(0).take(); };
  auto [app_end, channel_end] = stream_pair();
  ASSERT_TRUE(world.open("direct-streamlocal@openssh.com", extra(path), std::move(channel_end))->confirmed);
  UniqueFd other = accept_from(listening.get());
  write_some(app_end.get(), "by path");
  std::string got;
  EXPECT_TRUE(world.pair().until([&] { return (got += read_some(other.get()).value_or("")) == "by path"; }));
  EXPECT_EQ(world.open("direct-streamlocal@openssh.com", extra("none"), stream_pair().second)->refused,
            OpenFailure::connect_failed);
}

TEST_F(DirectOpen, is_closed_when_nothing_moves_for_too_long) {
  world.settings.idle_channel_ns = 400'000'000;
  const auto facts = connect();
  ASSERT_TRUE(facts->confirmed);
  const auto begun = std::chrono::steady_clock::now();
  // Kept alive by a byte now and then, for longer than it may be idle.
  ASSERT_TRUE(world.pair().until([&] {
    write_some(target.get(), "x");
    read_some(app.get());
    return facts->gone || std::chrono::steady_clock::now() - begun > std::chrono::milliseconds(1000);
  }));
  EXPECT_FALSE(facts->gone);
  EXPECT_TRUE(world.pair().until([&] { return facts->gone; }));
}

TEST_F(DirectOpen, forgets_connections_whose_client_is_gone) {
  auto [listening, port] = loopback_listener();
  world.pair();
  // Opened, and closed by the client before there was an answer; then the whole connection goes.
  auto& state = world.services->part<ForwardState>();
  bool called = false;
  const uint64_t ticket = state.connect(ConnectTcp{"127.0.0.1", port}, [&](BrokerReceived&&) { called = true; });
  state.forget(ticket);
  EXPECT_TRUE(connect()->confirmed);
  EXPECT_TRUE(world.pair().until([&] { return state.connecting() == 0; }));
  EXPECT_FALSE(called);
}

TEST_F(DirectOpen, makes_no_more_than_some_connections_at_one_time) {
  world.pair();
  auto& state = world.services->part<ForwardState>();
  size_t answered = 0;
  auto [listening, port] = loopback_listener();
  for (size_t i = 0; i < 3 * kMaxConnecting; ++i) {
    state.connect(ConnectTcp{"127.0.0.1", port}, [&](BrokerReceived&&) { ++answered; });
    EXPECT_LE(state.connecting(), kMaxConnecting);
  }
  EXPECT_TRUE(connect()->confirmed) << "those that wait have their turn";
  EXPECT_TRUE(world.pair().until([&] {
    while (accept_from(listening.get())) continue;
    return answered == 3 * kMaxConnecting;
  }));
}

}  // namespace
}  // namespace sluice
