// A session's streams and requests against a channel without a connection, and a server that asks for what it may not.
#include "services/client_session/client_session.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "base/wire.h"
#include "services/client_session/single_channel.h"
#include "tests/support/fake_channel.h"

namespace sluice {
namespace {

struct Pipe {
  Pipe() {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    reading = UniqueFd(ends[0]);
    writing = UniqueFd(ends[1]);
  }
  UniqueFd reading, writing;
};

class ClientSessionTest : public ::testing::Test {
 protected:
  void begin(SessionSpec spec) {
    channels_.attach(host_);
    session_ = std::make_unique<ClientSession>(
        channels_, 7, std::move(spec),
        SessionStreams{std::move(in_.reading), std::move(out_.writing), std::move(err_.writing)});
    session_->attach(channel_);
    session_->on_confirmed({});
  }
  void receive(std::string_view text) {
    std::vector<uint8_t> bytes(text.begin(), text.end());
    const MutableBytes piece(bytes);
    session_->on_data({&piece, 1});
  }
  static std::string read(const UniqueFd& from) {
    char bytes[65536];
    const ssize_t n = ::read(from.get(), bytes, sizeof bytes);
    return n > 0 ? std::string(bytes, static_cast<size_t>(n)) : std::string();
  }
  bool told(ClientNote kind) const {
    for (const SinkNote& note : host_.notes) {
      if (note.kind == static_cast<uint32_t>(kind)) return true;
    }
    return false;
  }

  test::FakeHost host_;
  test::FakeChannel channel_{host_};
  ClientChannels channels_{std::make_shared<ClientMailbox>()};
  Pipe in_, out_, err_;
  std::unique_ptr<ClientSession> session_;
};

SessionSpec command(const char* words) {
  SessionSpec spec;
  spec.program = SessionSpec::Program::command;
  spec.words = words;
  return spec;
}

TEST_F(ClientSessionTest, A_command_is_asked_for_with_its_variables_before_it) {
  SessionSpec spec = command("true");
  spec.environment = {{"A", "b"}};
  begin(std::move(spec));
  ASSERT_EQ(channel_.requests.size(), 2u);
  EXPECT_EQ(channel_.requests[0].name, "env");
  EXPECT_EQ(channel_.requests[1].name, "exec");
  session_->on_reply(true);
  EXPECT_TRUE(told(ClientNote::session_ready));
}

TEST_F(ClientSessionTest, What_is_read_is_sent_and_the_end_is_told) {
  begin(command("cat"));
  ASSERT_EQ(::write(in_.writing.get(), "hello", 5), 5);
  session_->on_turn();
  EXPECT_EQ(text_of(channel_.data), "hello");
  in_.writing.reset();
  host_.poll(1000);
  session_->on_turn();
  EXPECT_TRUE(channel_.eof);
}

TEST_F(ClientSessionTest, What_nobody_reads_is_kept_and_the_window_stays_shut) {
  begin(command("yes"));
  const std::string much(1 << 20, 'x');
  receive(much);
  EXPECT_LT(channel_.consumed_bytes, much.size());
  std::string got;
  for (int i = 0; i < 1000 && got.size() < much.size(); ++i) {
    got += read(out_.reading);
    host_.poll(10);
    session_->on_turn();
  }
  EXPECT_EQ(got, much);
  EXPECT_EQ(channel_.consumed_bytes, much.size());
}

TEST_F(ClientSessionTest, Readiness_that_is_told_before_more_data_comes_is_not_lost) {
  begin(command("yes"));
  std::string much(1 << 20, 'x');
  receive(much);
  std::string got = read(out_.reading);
  host_.poll(1000);
  receive("more");
  much.append("more");
  for (int i = 0; i < 1000 && got.size() < much.size(); ++i) {
    session_->on_turn();
    got += read(out_.reading);
    host_.poll(10);
  }
  EXPECT_EQ(got, much);
}

TEST_F(ClientSessionTest, The_exit_status_is_told_when_all_is_written) {
  begin(command("false"));
  session_->on_reply(true);
  session_->on_request({"exit-status", WireWriter().u32(3).view(), false});
  session_->on_close();
  session_.reset();
  bool found = false;
  for (const SinkNote& note : host_.notes) {
    if (note.kind != static_cast<uint32_t>(ClientNote::session_ended)) continue;
    WireReader reader(note.bytes);
    found = reader.u32() == 3 && reader.u8() == 1;
  }
  EXPECT_TRUE(found);
}

TEST_F(ClientSessionTest, A_reader_that_is_gone_is_told_to_the_server) {
  begin(command("yes"));
  out_.reading.reset();
  ::signal(SIGPIPE, SIG_IGN);
  receive("more");
  EXPECT_EQ(channel_.requests.back().name, "eow@openssh.com");
  EXPECT_EQ(channel_.consumed_bytes, 4u);
}

TEST_F(ClientSessionTest, A_refused_command_is_a_failure_with_its_name) {
  begin(command("x"));
  session_->on_reply(false);
  EXPECT_TRUE(told(ClientNote::session_failed));
  EXPECT_TRUE(channel_.closed);
}

TEST_F(ClientSessionTest, A_client_of_one_channel_opens_it_and_takes_none) {
  channels_.attach(host_);
  SingleChannel one("session", std::make_unique<ClientSession>(channels_, 8, SessionSpec(), SessionStreams()));
  one.attach(host_);
  ASSERT_EQ(host_.opened.size(), 1u);
  EXPECT_EQ(host_.opened[0].type, "session");
  EXPECT_EQ(one.open("forwarded-tcpip", {}).service, nullptr);
  // It refers to the channels, which go first.
  host_.opened.clear();
}

TEST_F(ClientSessionTest, A_server_may_open_only_what_it_was_asked_for) {
  channels_.attach(host_);
  const auto port = WireWriter().string("localhost").u32(8080).string("1.2.3.4").u32(5).take();
  EXPECT_EQ(channels_.open("forwarded-tcpip", port).service, nullptr);
  EXPECT_EQ(channels_.open("auth-agent@openssh.com", {}).service, nullptr);
  EXPECT_EQ(channels_.open("session", {}).service, nullptr);
  EXPECT_EQ(channels_.open("x11", {}).service, nullptr);
  channels_.add_remote({false, "localhost", 8080, {StreamTarget::Kind::tcp, "h", 80}, {}});
  EXPECT_NE(channels_.open("forwarded-tcpip", port).service, nullptr);
  const auto other = WireWriter().string("localhost").u32(8081).string("1.2.3.4").u32(5).take();
  EXPECT_EQ(channels_.open("forwarded-tcpip", other).service, nullptr);
  EXPECT_EQ(channels_.open("forwarded-tcpip", Bytes(port).first(7)).service, nullptr);
}

}  // namespace
}  // namespace sluice
