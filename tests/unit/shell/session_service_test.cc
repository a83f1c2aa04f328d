// Session channels against a real broker: what may be said before a program, programs on pipes and terminals, their
// ends.
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>

#include "base/message_numbers.h"
#include "base/wire.h"
#include "services/shell/session_service.h"
#include "tests/support/service_world.h"
#include "tests/support/temp_folder.h"

namespace sluice {
namespace {

using test::ServiceWorld;
using test::TempFolder;

std::vector<uint8_t> pty_request(std::string_view modes = std::string_view("\0", 1)) {
  return WireWriter().string("vt100").u32(132).u32(43).u32(0).u32(0).string(modes).take();
}

class Session {
 public:
  explicit Session(LoginFacts login = {}, LinkPolicy policy = {}) : world(std::move(login), std::move(policy)) {}

  void open() {
    OpenDecision decision = open_session_channel(world.connection(), {});
    ASSERT_TRUE(decision.service);
    world.attach(std::move(decision.service));
  }
  RequestAnswer request(std::string_view name, Bytes extra) {
    if (!world.service) open();
    return world.service->on_request({name, extra, true});
  }
  RequestAnswer env(std::string_view name, std::string_view value) {
    return request("env", WireWriter().string(name).string(value).view());
  }
  RequestAnswer exec(std::string_view command) { return request("exec", WireWriter().string(command).view()); }
  // The program's answer.
  bool begun() {
    const size_t before = world.channel.answers.size();
    return world.turn_until([&] { return world.channel.answers.size() > before; }) && world.channel.answers.back();
  }
  bool ended() {
    return world.turn_until([&] { return world.channel.closed; });
  }
  bool says(std::string_view text) {
    return world.turn_until([&] { return world.sent().find(text) != std::string::npos; });
  }
  std::optional<uint32_t> status() const {
    for (const auto& sent : world.channel.requests)
      if (sent.name == "exit-status") return load_be32(sent.extra.data());
    return std::nullopt;
  }
  std::string signal() const {
    for (const auto& sent : world.channel.requests)
      if (sent.name == "exit-signal") return std::string(WireReader(sent.extra).text());
    return {};
  }

  ServiceWorld world;
};

TEST(Session, runs_a_command_and_tells_its_status_after_its_output) {
  Session session;
  ASSERT_EQ(session.exec("echo out; echo error >&2; exit 7"), RequestAnswer::later);
  ASSERT_TRUE(session.ended());
  EXPECT_EQ(session.world.channel.answers, std::vector<bool>{true});
  EXPECT_EQ(session.world.sent(), "out\n");
  EXPECT_EQ(text_of(session.world.channel.errors), "error\n");
  EXPECT_EQ(session.status(), 7u);
  EXPECT_TRUE(session.world.channel.eof);
}

// PuTTY closes a channel once both directions have ended, and then takes no status any more.
TEST(Session, ends_its_output_after_the_status_though_the_program_closed_it_before) {
  Session session;
  TempFolder folder;
  ASSERT_EQ(session.exec("exec >&- 2>&-; touch " + (folder / "closed") + "; read line; exit 9"), RequestAnswer::later);
  ASSERT_TRUE(session.begun());
  ASSERT_TRUE(session.world.turn_until([&] { return folder.has("closed"); }));
  for (int i = 0; i < 10; ++i) session.world.turn(1);
  EXPECT_FALSE(session.world.channel.eof);
  session.world.send("a line\n");
  ASSERT_TRUE(session.ended());
  EXPECT_EQ(session.status(), 9u);
  EXPECT_TRUE(session.world.channel.eof);
}

TEST(Session, passes_input_through_and_its_end) {
  Session session;
  ASSERT_EQ(session.exec("cat; echo end"), RequestAnswer::later);
  session.world.send("before it runs ");
  ASSERT_TRUE(session.begun());
  session.world.send("while it runs\n");
  session.world.service->on_eof();
  ASSERT_TRUE(session.ended());
  EXPECT_EQ(session.world.sent(), "before it runs while it runs\nend\n");
  EXPECT_EQ(session.world.channel.consumed_bytes, std::string_view("before it runs while it runs\n").size());
  EXPECT_EQ(session.status(), 0u);
}

TEST(Session, keeps_what_a_program_does_not_take_and_gives_no_window_for_it) {
  Session session;
  ASSERT_EQ(session.exec("sleep 0.3; sha256sum | cut -c1-64"), RequestAnswer::later);
  const std::string many(5 << 20, 'x');
  ASSERT_TRUE(session.begun());
  for (size_t at = 0; at < many.size(); at += 1 << 18) session.world.send(many.substr(at, 1 << 18));
  EXPECT_LE(session.world.channel.consumed_bytes, size_t{2} << 20);
  session.world.send("\nrest");
  session.world.service->on_eof();
  ASSERT_TRUE(session.ended());
  EXPECT_EQ(session.world.channel.consumed_bytes, many.size() + 5);
  EXPECT_EQ(session.world.sent().size(), 65u);
}

TEST(Session, moves_output_as_the_window_allows) {
  Session session;
  session.world.channel.window_left = 1000;
  ASSERT_EQ(session.exec("head -c 3000000 /dev/zero"), RequestAnswer::later);
  ASSERT_TRUE(session.begun());
  ASSERT_TRUE(session.world.turn_until([&] { return session.world.channel.data.size() == 1000; }));
  for (int i = 0; i < 10; ++i) session.world.turn(1);
  EXPECT_EQ(session.world.channel.data.size(), 1000u);
  EXPECT_FALSE(session.world.channel.closed);
  session.world.channel.window_left = 1 << 30;
  ASSERT_TRUE(session.ended());
  EXPECT_EQ(session.world.channel.data.size(), 3000000u);
}

TEST(Session, tells_a_client_when_its_program_reads_no_more) {
  Session session;
  ASSERT_EQ(session.exec("exec <&-; echo closed; sleep 100"), RequestAnswer::later);
  ASSERT_TRUE(session.says("closed"));
  session.world.send("nobody reads this");
  ASSERT_TRUE(session.world.turn_until([&] { return !session.world.channel.requests.empty(); }));
  EXPECT_EQ(session.world.channel.requests[0].name, "eow@openssh.com");
  EXPECT_EQ(session.world.channel.consumed_bytes, std::string_view("nobody reads this").size());
  ASSERT_EQ(session.request("signal", WireWriter().string("TERM").view()), RequestAnswer::success);
  ASSERT_TRUE(session.ended());
  EXPECT_EQ(session.signal(), "TERM");
}

TEST(Session, ends_a_program_whose_output_the_client_does_not_want) {
  Session session;
  ASSERT_EQ(session.exec("exec yes"), RequestAnswer::later);
  ASSERT_TRUE(session.says("y\n"));
  EXPECT_EQ(session.request("eow@openssh.com", {}), RequestAnswer::success);
  ASSERT_TRUE(session.ended());
  EXPECT_EQ(session.signal(), "PIPE");
}

TEST(Session, waits_with_the_end_for_nobody_but_who_holds_the_output) {
  Session session;
  ASSERT_EQ(session.exec("sleep 1 & echo started; exit 3"), RequestAnswer::later);
  ASSERT_TRUE(session.world.turn_until([&] { return session.status().has_value(); }));
  EXPECT_EQ(session.status(), 3u);
  EXPECT_EQ(session.world.sent(), "started\n");
  EXPECT_FALSE(session.world.channel.closed);
  ASSERT_TRUE(session.ended());
}

TEST(Session, has_a_terminal_with_size_modes_and_window_changes) {
  Session session;
  // ECHO (53) off.
  ASSERT_EQ(session.request("pty-req", pty_request(std::string_view("\x35\0\0\0\0\0", 6))), RequestAnswer::success);
  EXPECT_EQ(session.request("pty-req", pty_request()), RequestAnswer::failure);
  ASSERT_EQ(session.exec("echo $TERM; stty size; read line; stty size; stty -a | grep -q -e -echo."),
            RequestAnswer::later);
  ASSERT_TRUE(session.says("vt100\r\n43 132\r\n"));
  const auto size = WireWriter().u32(90).u32(20).u32(0).u32(0).take();
  EXPECT_EQ(session.request("window-change", size), RequestAnswer::success);
  session.world.send("\n");
  ASSERT_TRUE(session.ended());
  EXPECT_NE(session.world.sent().find("20 90\r\n"), std::string::npos) << session.world.sent();
  EXPECT_EQ(session.status(), 0u);
}

TEST(Session, interrupts_through_a_terminal) {
  Session session;
  ASSERT_EQ(session.request("pty-req", pty_request()), RequestAnswer::success);
  ASSERT_EQ(session.exec("echo ready; exec sleep 100"), RequestAnswer::later);
  ASSERT_TRUE(session.says("ready"));
  session.world.send("\x03");
  ASSERT_TRUE(session.ended());
  EXPECT_EQ(session.signal(), "INT");
}

TEST(Session, hangs_a_terminal_up_when_the_client_closes) {
  Session session;
  ASSERT_EQ(session.request("pty-req", pty_request()), RequestAnswer::success);
  ASSERT_EQ(session.exec("trap 'echo hup > gone; exit' HUP; echo ready; while :; do sleep 0.1; done"),
            RequestAnswer::later);
  ASSERT_TRUE(session.says("ready"));
  session.world.service->on_close();
  session.world.service.reset();
  EXPECT_TRUE(session.world.turn_until([&] { return session.world.folder.has("gone"); }));
}

TEST(Session, passes_variables_that_the_policy_accepts_and_bounds_them) {
  LinkPolicy policy;
  policy.accepted_names = {"LC_*"};
  Session session({}, policy);
  EXPECT_EQ(session.env("LC_A", "one"), RequestAnswer::success);
  EXPECT_EQ(session.env("OTHER", "two"), RequestAnswer::success);
  EXPECT_EQ(session.env("LC_B=", "x"), RequestAnswer::failure);
  EXPECT_EQ(session.env("", "x"), RequestAnswer::failure);
  EXPECT_EQ(session.env("LC_C", std::string_view("a\0b", 3)), RequestAnswer::failure);
  for (int i = 0; i < 126; ++i) EXPECT_EQ(session.env(std::to_string(i), ""), RequestAnswer::success);
  EXPECT_EQ(session.env("LC_D", ""), RequestAnswer::failure);
  EXPECT_EQ(session.env("LC_E", std::string(20000, 'x')), RequestAnswer::failure);
  ASSERT_EQ(session.exec("echo $LC_A$OTHER$LC_C."), RequestAnswer::later);
  ASSERT_TRUE(session.ended());
  EXPECT_EQ(session.world.sent(), "one.\n");
}

TEST(Session, begins_one_program_and_refuses_what_it_does_not_know) {
  Session session;
  EXPECT_EQ(session.request("x11-req", {}), RequestAnswer::failure);
  EXPECT_EQ(session.request("no-such-request", {}), RequestAnswer::failure);
  EXPECT_EQ(session.request("exec", {}), RequestAnswer::failure);
  ASSERT_EQ(session.exec("sleep 0.1"), RequestAnswer::later);
  EXPECT_EQ(session.exec("true"), RequestAnswer::failure);
  EXPECT_EQ(session.request("shell", {}), RequestAnswer::failure);
  EXPECT_EQ(session.env("A", "b"), RequestAnswer::failure);
  EXPECT_EQ(session.request("pty-req", pty_request()), RequestAnswer::failure);
  ASSERT_TRUE(session.ended());
}

TEST(Session, lets_a_client_try_another_program_after_one_that_was_refused) {
  Session session;
  ASSERT_EQ(session.request("subsystem", WireWriter().string("netconf").view()), RequestAnswer::later);
  EXPECT_FALSE(session.begun());
  session.world.turn();
  EXPECT_NE(session.world.log.find("was not started"), std::string::npos);
  EXPECT_FALSE(session.world.channel.closed);
  ASSERT_EQ(session.exec("echo second"), RequestAnswer::later);
  ASSERT_TRUE(session.ended());
  EXPECT_EQ(session.world.sent(), "second\n");
}

TEST(Session, runs_what_is_forced_whatever_is_asked) {
  LinkPolicy policy;
  policy.forced_command = "echo forced $SSH_ORIGINAL_COMMAND";
  LoginFacts login;
  login.forced_command = policy.forced_command;
  Session session(login, policy);
  session.world.makers.sftp = [](ConnectionServices&) -> std::unique_ptr<Service> {
    ADD_FAILURE() << "the forced command is another";
    return nullptr;
  };
  ASSERT_EQ(session.request("subsystem", WireWriter().string("sftp").view()), RequestAnswer::later);
  ASSERT_TRUE(session.ended());
  EXPECT_EQ(session.world.sent(), "forced sftp\n");
}

TEST(Session, refuses_terminals_shells_and_sessions_that_are_not_allowed) {
  LoginFacts login;
  login.pty = false;
  Session session(login);
  session.world.settings.shell_enabled = false;
  session.world.settings.sftp_enabled = false;
  session.world.settings.session_channels = 1;
  EXPECT_EQ(session.request("pty-req", pty_request()), RequestAnswer::failure);
  EXPECT_EQ(session.request("shell", {}), RequestAnswer::failure);
  EXPECT_EQ(session.exec("true"), RequestAnswer::failure);
  EXPECT_EQ(session.request("subsystem", WireWriter().string("sftp").view()), RequestAnswer::failure);
  EXPECT_FALSE(open_session_channel(session.world.connection(), {}).service);
  session.world.service.reset();
  EXPECT_TRUE(open_session_channel(session.world.connection(), {}).service);
  session.world.connection().hear_global_request(
      WireWriter().u8(kMsgGlobalRequest).string("no-more-sessions@openssh.com").boolean(false).view());
  EXPECT_FALSE(open_session_channel(session.world.connection(), {}).service);
}

TEST(Session, waits_for_the_agents_socket_before_it_begins) {
  Session session;
  std::function<void(bool, uint32_t)> later;
  session.world.makers.agent_request = [&](ConnectionServices&, std::function<void(bool, uint32_t)> then) {
    later = std::move(then);
  };
  ASSERT_EQ(session.request("auth-agent-req@openssh.com", {}), RequestAnswer::later);
  ASSERT_EQ(session.exec("echo .$SSH_AUTH_SOCK."), RequestAnswer::later);
  for (int i = 0; i < 5; ++i) session.world.turn(1);
  EXPECT_FALSE(session.world.broker);
  later(false, 0);
  ASSERT_TRUE(session.ended());
  EXPECT_EQ(session.world.channel.answers, (std::vector<bool>{false, true}));
  EXPECT_EQ(session.world.sent(), "..\n");
  session.world.service.reset();
  later(true, 1);
}

TEST(Session, keeps_what_comes_for_a_program_that_waits_for_the_agents_socket) {
  const std::string text = "early\n" + std::string(100'000, 'x') + "\n";
  // One that runs, one that the broker refuses, one that is refused at once.
  for (const std::string_view program : {"cat", "none", "sftp"}) {
    const bool begins = program == "cat";
    Session session;
    session.world.settings.sftp_enabled = false;
    std::function<void(bool, uint32_t)> later;
    session.world.makers.agent_request = [&](ConnectionServices&, std::function<void(bool, uint32_t)> then) {
      later = std::move(then);
    };
    ASSERT_EQ(session.request("auth-agent-req@openssh.com", {}), RequestAnswer::later);
    ASSERT_EQ(begins ? session.exec(program) : session.request("subsystem", WireWriter().string(program).view()),
              RequestAnswer::later);
    session.world.send(text.substr(0, 70'000));
    session.world.send(text.substr(70'000));
    session.world.service->on_eof();
    EXPECT_EQ(session.world.channel.consumed_bytes, 0u) << "it gives no window before somebody took it";
    later(false, 0);
    if (begins) {
      ASSERT_TRUE(session.ended());
      EXPECT_EQ(session.world.sent(), text);
    } else {
      ASSERT_TRUE(session.world.turn_until([&] { return session.world.channel.answers.size() == 2; }));
    }
    EXPECT_EQ(session.world.channel.answers, (std::vector<bool>{false, begins}));
    EXPECT_TRUE(session.world.turn_until([&] { return session.world.channel.consumed_bytes == text.size(); }));
  }
}

TEST(Session, tells_the_end_of_its_broker) {
  Session session;
  ASSERT_EQ(session.exec("echo ready; sleep 3"), RequestAnswer::later);
  ASSERT_TRUE(session.says("ready"));
  ASSERT_EQ(::kill(session.world.broker->pid(), SIGKILL), 0);
  ASSERT_TRUE(session.ended());
  EXPECT_EQ(session.signal(), "HUP");
}

TEST(Session, closes_channels_on_which_nothing_moves) {
  Session session;
  session.world.settings.idle_channel_ns = 400'000'000;
  ASSERT_EQ(session.exec("for i in 1 2 3 4 5; do sleep 0.2; echo $i; done; sleep 3"), RequestAnswer::later);
  ASSERT_TRUE(session.ended());
  EXPECT_EQ(session.world.sent(), "1\n2\n3\n4\n5\n");
  session.world.turn();
  EXPECT_NE(session.world.log.find("nothing moved"), std::string::npos);
}

}  // namespace
}  // namespace sluice
