// A stream between a channel and a descriptor: bytes, ends and errors, both ways.
#include "services/forward/stream_service.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <csignal>

#include "base/random.h"
#include "tests/unit/forward/forward_world.h"

namespace sluice {
namespace {

using namespace test;

class StreamServiceTest : public testing::Test {
 protected:
  StreamServiceTest() {
    ::signal(SIGPIPE, SIG_IGN);
    auto [ours, theirs] = stream_pair();
    app = std::move(ours);
    service = std::make_unique<StreamService>(counts, StreamEnds(std::move(theirs)));
    service->attach(channel);
  }
  ~StreamServiceTest() override { service.reset(); }

  void give(std::string text) {
    const MutableBytes piece(reinterpret_cast<uint8_t*>(text.data()), text.size());
    service->on_data({&piece, 1});
  }
  void turn() {
    host.poll(0);
    service->on_turn();
  }
  std::string sent() const { return {channel.data.begin(), channel.data.end()}; }

  FakeHost host;
  FakeChannel channel{host};
  StreamCounts counts;
  UniqueFd app;
  std::unique_ptr<StreamService> service;
};

TEST_F(StreamServiceTest, moves_bytes_both_ways) {
  give("to the socket");
  EXPECT_EQ(read_some(app.get()), "to the socket");
  EXPECT_EQ(channel.consumed_bytes, 13u);
  write_some(app.get(), "to the channel");
  turn();
  EXPECT_EQ(sent(), "to the channel");
  EXPECT_EQ(counts.received, 13u);
  EXPECT_EQ(counts.sent, 14u);
  EXPECT_EQ(counts.open, 1u);
  EXPECT_FALSE(channel.eof || channel.closed);
}

TEST_F(StreamServiceTest, keeps_what_the_socket_does_not_take_and_gives_no_window_for_it) {
  const std::string piece(50000, 'x');
  for (int i = 0; i < 40; ++i) give(piece);
  EXPECT_LT(channel.consumed_bytes, 40u * piece.size());
  const size_t before = channel.consumed_bytes;
  service->on_eof();
  size_t got = 0;
  for (int i = 0; i < 10000 && got < 40 * piece.size(); ++i) {
    got += read_some(app.get()).value_or("").size();
    turn();
  }
  EXPECT_EQ(got, 40 * piece.size());
  EXPECT_GT(channel.consumed_bytes, before);
  EXPECT_EQ(channel.consumed_bytes, got);
  // The end came behind it.
  turn();
  EXPECT_EQ(read_some(app.get()), std::nullopt);
  EXPECT_FALSE(channel.closed);
}

TEST_F(StreamServiceTest, keeps_order_when_small_and_large_pieces_pile_up) {
  CheapRandom random(5);
  std::string wanted, got;
  while (wanted.size() < 3000000) {
    std::string piece(random.below(4) == 0 ? random.below(60000) : random.below(3), '\0');
    random.fill({reinterpret_cast<uint8_t*>(piece.data()), piece.size()});
    wanted += piece;
    give(piece);
    if (random.below(50) == 0) {
      got += read_some(app.get()).value_or("");
      turn();
    }
  }
  for (int i = 0; i < 10000 && got.size() < wanted.size(); ++i) {
    turn();
    got += read_some(app.get()).value_or("");
  }
  EXPECT_TRUE(got == wanted);
  EXPECT_EQ(channel.consumed_bytes, wanted.size());
}

TEST_F(StreamServiceTest, reads_no_further_than_the_channel_has_room) {
  std::string wanted;
  for (size_t n; (n = write_some(app.get(), std::string(10000, 'y'))) > 0;) wanted.append(n, 'y');
  channel.room = 1;
  channel.window_left = 100;
  turn();
  EXPECT_EQ(channel.data.size(), 100u);
  turn();
  EXPECT_EQ(channel.data.size(), 100u);
  channel.window_left = uint64_t{1} << 30;
  for (int i = 0; i < 1000 && channel.data.size() < wanted.size(); ++i) {
    channel.room = 2;
    turn();
  }
  EXPECT_EQ(sent(), wanted);
}

TEST_F(StreamServiceTest, ends_each_direction_by_itself_and_closes_after_both) {
  ::shutdown(app.get(), SHUT_WR);
  turn();
  EXPECT_TRUE(channel.eof);
  EXPECT_FALSE(channel.closed);
  give("still");
  EXPECT_EQ(read_some(app.get()), "still");
  service->on_eof();
  EXPECT_EQ(read_some(app.get()), std::nullopt);
  EXPECT_TRUE(channel.closed);
}

TEST_F(StreamServiceTest, ends_in_the_other_order) {
  service->on_eof();
  EXPECT_EQ(read_some(app.get()), std::nullopt);
  EXPECT_FALSE(channel.closed);
  write_some(app.get(), "last words");
  app.reset();
  turn();
  turn();
  EXPECT_EQ(sent(), "last words");
  EXPECT_TRUE(channel.eof && channel.closed);
}

TEST_F(StreamServiceTest, reads_all_that_came_before_a_hang_up) {
  const size_t n = write_some(app.get(), std::string(100000, 'z'));
  app.reset();
  for (int i = 0; i < 100 && !channel.eof; ++i) turn();
  EXPECT_EQ(channel.data.size(), n);
  EXPECT_TRUE(channel.eof);
}

TEST_F(StreamServiceTest, closes_when_the_socket_breaks_after_its_end) {
  app.reset();
  turn();
  EXPECT_TRUE(channel.eof);
  EXPECT_FALSE(channel.closed);
  give("nobody is there");
  EXPECT_EQ(channel.consumed_bytes, 15u);
  turn();
  EXPECT_TRUE(channel.closed);
}

TEST_F(StreamServiceTest, drops_what_nobody_reads_without_keeping_it) {
  // The application reads no more, but may still write.
  ::shutdown(app.get(), SHUT_RD);
  for (int i = 0; i < 100; ++i) give(std::string(50000, 'x'));
  EXPECT_EQ(channel.consumed_bytes, 100u * 50000u);
  EXPECT_FALSE(channel.closed);
  write_some(app.get(), "yet");
  turn();
  EXPECT_EQ(sent(), "yet");
}

TEST_F(StreamServiceTest, lingers_until_the_socket_took_what_the_peer_left_behind) {
  for (int i = 0; i < 40; ++i) give(std::string(50000, 'x'));
  service->on_eof();
  service->on_close();
  ASSERT_TRUE(service->lingers());
  size_t got = 0;
  for (int i = 0; i < 10000 && !channel.closed; ++i) {
    got += read_some(app.get()).value_or("").size();
    turn();
  }
  EXPECT_TRUE(channel.closed);
  got += read_some(app.get()).value_or("").size();
  EXPECT_EQ(got, 40u * 50000u);
  EXPECT_FALSE(service->lingers());
  EXPECT_EQ(read_some(app.get()), std::nullopt);
}

TEST_F(StreamServiceTest, lingers_no_longer_than_the_socket_lives) {
  for (int i = 0; i < 40; ++i) give(std::string(50000, 'x'));
  service->on_close();
  ASSERT_TRUE(service->lingers());
  app.reset();
  turn();
  EXPECT_TRUE(channel.closed);
  EXPECT_FALSE(service->lingers());
}

TEST_F(StreamServiceTest, does_not_linger_for_nothing) {
  give("taken at once");
  service->on_close();
  EXPECT_FALSE(service->lingers());
  read_some(app.get());
  EXPECT_EQ(read_some(app.get()), std::nullopt);
}

TEST_F(StreamServiceTest, refuses_requests_and_swallows_standard_error) {
  EXPECT_EQ(service->on_request({"exec", {}, true}), RequestAnswer::failure);
  const std::string text = "error";
  service->on_stderr(bytes_of(text));
  EXPECT_EQ(channel.consumed_bytes, 5u);
  EXPECT_EQ(read_some(app.get()), "");
}

TEST(StreamServicePair, serves_two_pipes_and_a_file) {
  ::signal(SIGPIPE, SIG_IGN);
  TempFolder folder;
  const std::string content(300000, 'f');
  folder.write("input", content);
  int out[2];
  ASSERT_EQ(::pipe2(out, O_NONBLOCK | O_CLOEXEC), 0);
  UniqueFd reader(out[0]);
  FakeHost host;
  FakeChannel channel(host);
  StreamCounts counts;
  StreamService service(
      counts, StreamEnds(UniqueFd(::open((folder / "input").c_str(), O_RDONLY | O_CLOEXEC)), UniqueFd(out[1])));
  service.attach(channel);
  for (int i = 0; i < 100 && !channel.eof; ++i) {
    host.poll(0);
    service.on_turn();
  }
  EXPECT_EQ(channel.data.size(), content.size());
  std::string text = "out";
  const MutableBytes piece(reinterpret_cast<uint8_t*>(text.data()), text.size());
  service.on_data({&piece, 1});
  service.on_eof();
  EXPECT_TRUE(channel.closed);
  std::string got(16, '\0');
  EXPECT_EQ(::read(reader.get(), got.data(), got.size()), 3);
  EXPECT_EQ(::read(reader.get(), got.data(), got.size()), 0);
}

}  // namespace
}  // namespace sluice
