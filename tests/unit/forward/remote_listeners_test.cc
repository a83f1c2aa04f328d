// Listening on the server for a client.
#include "services/forward/remote_listeners.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/message_numbers.h"
#include "base/wire.h"
#include "tests/unit/forward/forward_world.h"

namespace sluice {
namespace {

using namespace test;

std::vector<uint8_t> tcp_extra(std::string_view address, uint32_t port) {
  return WireWriter().string(address).u32(port).take();
}

class RemoteForward : public testing::Test {
 protected:
  // The port where the server listens now; 0: refused.
  uint16_t listen(std::string_view address = "localhost", uint32_t port = 0) {
    const auto answer = world.ask_global("tcpip-forward", tcp_extra(address, port));
    if (!answer) return 0;
    if (port != 0) {
      EXPECT_TRUE(answer->empty());
      return static_cast<uint16_t>(port);
    }
    WireReader reader(*answer);
    const uint32_t given = reader.u32();
    EXPECT_TRUE(reader.ok() && reader.at_end());
    return static_cast<uint16_t>(given);
  }
  bool cancel(std::string_view address, uint32_t port) {
    return world.ask_global("cancel-tcpip-forward", tcp_extra(address, port)).has_value();
  }
  size_t listeners() { return world.services->part<RemoteListeners>().size(); }

  ForwardWorld world;
};

TEST_F(RemoteForward, opens_a_channel_for_each_connection_and_says_from_where) {
  const uint16_t port = listen();
  ASSERT_NE(port, 0);
  UniqueFd visitor = connect_to(port);
  ASSERT_TRUE(visitor);
  ASSERT_TRUE(world.pair().until([&] { return !world.forwarded.empty(); }));
  const auto& opened = world.forwarded[0];
  EXPECT_EQ(opened.type, "forwarded-tcpip");
  WireReader reader(opened.extra);
  EXPECT_EQ(reader.text(), "localhost");
  EXPECT_EQ(reader.u32(), port);
  EXPECT_EQ(reader.text(), "127.0.0.1");
  sockaddr_in from{};
  socklen_t size = sizeof from;
  ::getsockname(visitor.get(), reinterpret_cast<sockaddr*>(&from), &size);
  EXPECT_EQ(reader.u32(), ntohs(from.sin_port));
  EXPECT_TRUE(reader.ok() && reader.at_end());
  write_some(visitor.get(), "knock");
  std::string got;
  EXPECT_TRUE(world.pair().until([&] { return (got += read_some(opened.socket.get()).value_or("")) == "knock"; }));
  write_some(opened.socket.get(), "come in");
  got.clear();
  EXPECT_TRUE(world.pair().until([&] { return (got += read_some(visitor.get()).value_or("")) == "come in"; }));
}

TEST_F(RemoteForward, listens_at_the_port_that_is_asked_for_once) {
  const uint16_t port = listen();
  ASSERT_TRUE(cancel("localhost", port));
  EXPECT_EQ(listen("localhost", port), port);
  EXPECT_EQ(listen("localhost", port), 0);
  EXPECT_EQ(listeners(), 1u);
}

TEST_F(RemoteForward, stops_when_it_is_cancelled_and_keeps_what_is_open) {
  const uint16_t port = listen("");
  UniqueFd visitor = connect_to(port);
  ASSERT_TRUE(world.pair().until([&] { return !world.forwarded.empty(); }));
  EXPECT_FALSE(cancel("", port + 1u));
  EXPECT_FALSE(cancel("localhost", port)) << "a name is what the client called it";
  EXPECT_TRUE(cancel("", port));
  EXPECT_FALSE(cancel("", port));
  EXPECT_TRUE(world.pair().until([&] { return !connect_to(port); }));
  write_some(visitor.get(), "still");
  std::string got;
  EXPECT_TRUE(
      world.pair().until([&] { return (got += read_some(world.forwarded[0].socket.get()).value_or("")) == "still"; }));
}

TEST_F(RemoteForward, cancels_what_is_not_listening_yet) {
  world.pair();
  uint16_t port = 0;
  {
    auto [listening, free_port] = loopback_listener();
    port = free_port;
  }
  const uint32_t listen_request = world.send_global("tcpip-forward", tcp_extra("localhost", port));
  const uint32_t cancel_request = world.send_global("cancel-tcpip-forward", tcp_extra("localhost", port));
  const uint32_t again = world.send_global("cancel-tcpip-forward", tcp_extra("localhost", port));
  const auto failure = world.answer_to(again);
  const auto first = world.answer_to(listen_request);
  const auto second = world.answer_to(cancel_request);
  ASSERT_TRUE(failure && first && second);
  EXPECT_NE(failure->kind, first->kind);
  EXPECT_EQ(first->kind, second->kind);
  EXPECT_EQ(listeners(), 0u);
  EXPECT_TRUE(world.pair().until([&] { return !connect_to(port); }));
}

TEST_F(RemoteForward, tells_the_visitor_when_the_client_refuses) {
  world.take_forwarded = false;
  UniqueFd visitor = connect_to(listen());
  EXPECT_TRUE(world.pair().until([&] { return !read_some(visitor.get()); }));
  EXPECT_EQ(world.services->host().channels(), 0u);
}

TEST_F(RemoteForward, has_so_many_listeners_and_no_more) {
  world.settings.listeners = 3;
  uint16_t last = 0;
  for (int i = 0; i < 3; ++i) ASSERT_NE(last = listen(), 0);
  EXPECT_EQ(listen(), 0);
  EXPECT_FALSE(world.ask_global("streamlocal-forward@openssh.com", WireWriter().string("x").view()));
  ASSERT_TRUE(cancel("localhost", last));
  EXPECT_NE(listen(), 0);
}

TEST_F(RemoteForward, leaves_channels_to_the_client_when_many_visitors_come) {
  const uint16_t port = listen();
  std::vector<UniqueFd> visitors;
  const auto& accepted = world.services->part<ForwardState>().accepted();
  for (size_t i = 0; i < kMaxAcceptedStreams + 60; ++i) {
    visitors.push_back(connect_to(port));
    ASSERT_TRUE(visitors.back());
    if (i % 16 == 0) world.pair().turn();
  }
  ASSERT_TRUE(world.pair().until([&] { return world.forwarded.size() == kMaxAcceptedStreams; }));
  for (int i = 0; i < 50; ++i) world.pair().turn();
  EXPECT_EQ(accepted.open, kMaxAcceptedStreams);
  // Some go: others come in.
  for (size_t i = 0; i < 20; ++i) visitors[i].reset(), world.forwarded[i].socket.reset();
  EXPECT_TRUE(world.pair().until([&] { return world.forwarded.size() == kMaxAcceptedStreams + 20; }));
}

TEST_F(RemoteForward, survives_a_table_without_channels_for_visitors) {
  world.limits.channels = 2;
  const uint16_t port = listen();
  std::vector<UniqueFd> visitors;
  for (int i = 0; i < 4; ++i) visitors.push_back(connect_to(port));
  ASSERT_TRUE(world.pair().until([&] { return world.forwarded.size() == 2 && !read_some(visitors[3].get()); }));
  EXPECT_EQ(world.services->part<ForwardState>().accepted().open, 2u);
}

TEST_F(RemoteForward, is_refused_where_it_is_off) {
  world.settings.remote_forwarding = world.settings.streamlocal_forwarding = false;
  EXPECT_EQ(listen(), 0);
  EXPECT_FALSE(world.ask_global("streamlocal-forward@openssh.com", WireWriter().string("x").view()));
  EXPECT_FALSE(world.folder.has("x"));
}

TEST_F(RemoteForward, is_refused_by_the_broker_in_the_end) {
  world.policy.listen_tcp = world.policy.listen_unix = false;
  EXPECT_EQ(listen(), 0);
  EXPECT_FALSE(world.ask_global("streamlocal-forward@openssh.com", WireWriter().string("x").view()));
  EXPECT_EQ(listeners(), 0u);
}

TEST_F(RemoteForward, refuses_requests_that_are_cut_short_or_out_of_range) {
  auto cut = tcp_extra("localhost", 0);
  cut.pop_back();
  for (const char* name : {"tcpip-forward", "cancel-tcpip-forward"}) {
    EXPECT_FALSE(world.ask_global(name, cut));
    EXPECT_FALSE(world.ask_global(name, {}));
    EXPECT_FALSE(world.ask_global(name, tcp_extra("localhost", 65536)));
  }
  for (const char* name : {"streamlocal-forward@openssh.com", "cancel-streamlocal-forward@openssh.com"}) {
    EXPECT_FALSE(world.ask_global(name, {}));
    EXPECT_FALSE(world.ask_global(name, WireWriter().string(std::string(300, 'p')).view()));
    EXPECT_FALSE(world.ask_global(name, WireWriter().string(std::string_view("a\0b", 3)).view()));
  }
  // It would be repeated in every open.
  EXPECT_FALSE(world.ask_global("tcpip-forward", tcp_extra(std::string(64000, 'h'), 0)));
  EXPECT_EQ(listeners(), 0u);
}

TEST_F(RemoteForward, listens_on_a_path_and_takes_it_away_again) {
  const auto extra = WireWriter().string("sock").take();
  ASSERT_TRUE(world.ask_global("streamlocal-forward@openssh.com", extra));
  UniqueFd visitor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = world.folder / "sock";
  std::copy(path.begin(), path.end(), address.sun_path);
  ASSERT_EQ(::connect(visitor.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_TRUE(world.pair().until([&] { return !world.forwarded.empty(); }));
  EXPECT_EQ(world.forwarded[0].type, "forwarded-streamlocal@openssh.com");
  EXPECT_EQ(world.forwarded[0].extra, WireWriter().string("sock").string("").take());
  EXPECT_TRUE(world.ask_global("cancel-streamlocal-forward@openssh.com", extra));
  EXPECT_TRUE(world.pair().until([&] { return !world.folder.has("sock"); }));
  EXPECT_FALSE(world.ask_global("cancel-streamlocal-forward@openssh.com", extra));
}

TEST_F(RemoteForward, ends_with_the_connection) {
  uint16_t port = 0;
  std::string path;
  {
    ForwardWorld other;
    const auto answer = other.ask_global("tcpip-forward", tcp_extra("localhost", 0));
    ASSERT_TRUE(answer);
    port = static_cast<uint16_t>(load_be32(answer->data()));
    UniqueFd visitor = connect_to(port);
    ASSERT_TRUE(other.pair().until([&] { return !other.forwarded.empty(); }));
  }
  EXPECT_FALSE(connect_to(port));
}

TEST_F(RemoteForward, writes_no_hostile_bytes_and_no_endless_lines_to_the_log) {
  std::vector<std::string> lines;
  for (int i = 0; i < 200; ++i) {
    const std::string name = "a\n\x1b[2J" + std::to_string(i);
    if (world.ask_global("streamlocal-forward@openssh.com", WireWriter().string(name).view()))
      world.ask_global("cancel-streamlocal-forward@openssh.com", WireWriter().string(name).view());
  }
  EXPECT_LE(world.log_lines.size(), 64u);
  EXPECT_FALSE(world.log_lines.empty());
  for (const std::string& line : world.log_lines) {
    EXPECT_TRUE(std::all_of(line.begin(), line.end(), [](char c) { return c >= ' ' && c <= '~'; })) << line;
  }
}

TEST_F(RemoteForward, hears_that_there_are_no_more_sessions) {
  world.pair();
  EXPECT_TRUE(world.services->more_sessions());
  // Heard on its way to control, answered when control asks.
  const auto request = WireWriter().u8(kMsgGlobalRequest).string("no-more-sessions@openssh.com").boolean(true).take();
  world.services->hear_global_request(request);
  EXPECT_FALSE(world.services->more_sessions());
  EXPECT_TRUE(world.ask_global("no-more-sessions@openssh.com", {}));
}

}  // namespace
}  // namespace sluice
