// A broker's requests about programs: what is started, with what, and how its end is told.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "tests/support/broker_fixture.h"
#include "tests/support/temp_folder.h"

namespace sluice {
namespace {

using test::BrokerFixture;
using test::TempFolder;

// All until the end; a terminal's end is EIO.
std::string read_all(const UniqueFd& from) {
  std::string out;
  char piece[65536];
  for (;;) {
    pollfd ready{from.get(), POLLIN, 0};
    if (::poll(&ready, 1, 30000) <= 0) return out + " (no end)";
    const ssize_t n = ::read(from.get(), piece, sizeof piece);
    if (n < 0 && errno == EAGAIN) continue;
    if (n <= 0) return out;
    out.append(piece, static_cast<size_t>(n));
  }
}

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

SpawnProgram command(std::string text) {
  SpawnProgram spawn;
  spawn.kind = ProgramKind::shell_command;
  spawn.words = {std::move(text)};
  return spawn;
}

struct Ran {
  std::string out, error;
  ChildExited exited;
};

class BrokerPrograms : public testing::Test {
 protected:
  BrokerFixture& broker() {
    if (!made_) made_.emplace(identity(), policy);
    return *made_;
  }
  UserIdentity identity() const {
    UserIdentity own = test::own_identity(folder.path());
    if (!shell.empty()) own.shell = shell;
    return own;
  }
  Ran run(const SpawnProgram& spawn, const std::string& input = "") {
    Ran ran;
    auto received = broker().ask(spawn);
    const auto spawned = BrokerFixture::expect_in<Spawned>(received);
    if (received.descriptors.size() != (spawn.terminal ? 1u : 3u)) return ran;
    EXPECT_EQ(::write(received.descriptors[0].get(), input.data(), input.size()), static_cast<ssize_t>(input.size()));
    if (spawn.terminal) {
      ran.out = read_all(received.descriptors[0]);
    } else {
      received.descriptors[0].reset();
      ran.out = read_all(received.descriptors[1]);
      ran.error = read_all(received.descriptors[2]);
    }
    ran.exited = BrokerFixture::expect_in<ChildExited>(broker().next_event());
    EXPECT_EQ(ran.exited.child, spawned.child);
    return ran;
  }

  TempFolder folder;
  std::string shell;
  LinkPolicy policy;

 private:
  std::optional<BrokerFixture> made_;
};

TEST_F(BrokerPrograms, run_in_the_users_shell_and_home_with_three_streams) {
  const Ran ran = run(command("read line; echo \"got $line in $(pwd)\"; echo oops >&2; exit 7"), "this\n");
  EXPECT_EQ(ran.out, "got this in " + folder.path() + "\n");
  EXPECT_EQ(ran.error, "oops\n");
  EXPECT_EQ(ran.exited.status, 7u);
  EXPECT_EQ(ran.exited.signal, "");
}

TEST_F(BrokerPrograms, get_no_descriptor_and_no_signal_state_of_the_broker) {
  const Ran ran = run(command("ls /proc/self/fd | wc -l; grep -E '^Sig(Ign|Blk)' /proc/self/status"));
  EXPECT_EQ(ran.out, "4\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST_F(BrokerPrograms, end_by_signals_that_are_told_by_name) {
  auto received = broker().ask(command("sleep 100 & sleep 100"));
  const uint32_t child = BrokerFixture::expect_in<Spawned>(received).child;
  EXPECT_EQ(broker().fault(SignalChild{child, "WINCH"}), BrokerFault::unsupported);
  EXPECT_EQ(broker().fault(SignalChild{child + 1, "TERM"}), BrokerFault::not_found);
  broker().expect<Done>(SignalChild{child, "TERM"});
  const auto exited = BrokerFixture::expect_in<ChildExited>(broker().next_event());
  EXPECT_EQ(exited.signal, "TERM");
  EXPECT_EQ(exited.child, child);
  // The whole group was told: nobody holds the pipe any more.
  EXPECT_EQ(read_all(received.descriptors[1]), "");
  EXPECT_EQ(broker().fault(SignalChild{child, "TERM"}), BrokerFault::not_found);
}

TEST_F(BrokerPrograms, that_are_not_there_say_so_and_end_with_127) {
  shell = "/no/such/shell";
  const Ran ran = run(command("true"));
  EXPECT_EQ(ran.exited.status, 127u);
  EXPECT_EQ(ran.error, "/no/such/shell: No such file or directory\n");
}

TEST_F(BrokerPrograms, have_the_environment_of_a_login_and_what_the_policy_accepts_and_sets) {
  policy.accepted_names = {"LANG", "LC_*"};
  policy.environment = {{"SSH_CONNECTION", "::1 1 ::1 2"}, {"LC_FORCED", "by key"}};
  SpawnProgram spawn = command("env");
  spawn.environment = {
      {"LANG", "C"}, {"LC_ALL", "POSIX"}, {"LD_PRELOAD", "/evil.so"}, {"LC_FORCED", "mine"}, {"LC_A=B", "x"}};
  const std::string out = run(spawn).out;
  for (const char* line : {"LANG=C", "LC_ALL=POSIX", "SSH_CONNECTION=::1 1 ::1 2", "LC_FORCED=by key", "USER=tester",
                           "LOGNAME=tester", "SHELL=/bin/sh"})
    EXPECT_TRUE(has_line(out, line)) << line;
  EXPECT_TRUE(has_line(out, "HOME=" + folder.path()));
  EXPECT_EQ(out.find("LD_PRELOAD"), std::string::npos);
  EXPECT_EQ(out.find("LC_A="), std::string::npos);
}

TEST_F(BrokerPrograms, have_a_terminal_with_its_size_and_modes) {
  SpawnProgram spawn = command("tty; stty size; stty -a; echo $TERM $SSH_TTY");
  spawn.terminal = TerminalRequest{"xterm-test", {132, 43, 0, 0}, {53, 0, 0, 0, 0, 3, 0, 0, 0, 8, 0}};
  const Ran ran = run(spawn);
  EXPECT_NE(ran.out.find("43 132\r\n"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find(" -echo "), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("erase = ^H"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("xterm-test /dev/pts/"), std::string::npos) << ran.out;
}

TEST_F(BrokerPrograms, see_a_terminals_new_size) {
  SpawnProgram spawn = command("trap 'stty size; exit 3' WINCH; echo ready; while :; do sleep 0.05; done");
  spawn.terminal = TerminalRequest{"vt100", {80, 24, 0, 0}, {}};
  auto received = broker().ask(spawn);
  const uint32_t child = BrokerFixture::expect_in<Spawned>(received).child;
  pollfd ready{received.descriptors[0].get(), POLLIN, 0};
  ASSERT_EQ(::poll(&ready, 1, 30000), 1);
  broker().expect<Done>(ResizeTerminal{child, {100, 50, 0, 0}});
  EXPECT_NE(read_all(received.descriptors[0]).find("50 100"), std::string::npos);
  EXPECT_EQ(BrokerFixture::expect_in<ChildExited>(broker().next_event()).status, 3u);
}

TEST_F(BrokerPrograms, are_login_shells_when_nothing_is_named) {
  EXPECT_EQ(run(SpawnProgram{}, "echo $0; exit 4\n").out, "-sh\n");
}

TEST_F(BrokerPrograms, are_the_forced_command_whatever_is_asked) {
  policy.forced_command = "echo forced: $SSH_ORIGINAL_COMMAND";
  policy.subsystems = {{"sftp", "/usr/lib/sftp-server"}};
  EXPECT_EQ(run(command("cat /etc/passwd")).out, "forced: cat /etc/passwd\n");
  EXPECT_EQ(run(SpawnProgram{}).out, "forced:\n");
  SpawnProgram spawn;
  spawn.kind = ProgramKind::subsystem;
  spawn.words = {"sftp"};
  EXPECT_EQ(run(spawn).out, "forced: /usr/lib/sftp-server\n");
  spawn.environment = {{"SSH_ORIGINAL_COMMAND", "x"}, {"ENV", "/evil"}};
  EXPECT_EQ(run(spawn).out, "forced: /usr/lib/sftp-server\n");
  // No way round it by files.
  EXPECT_EQ(broker().fault(OpenFile{"/etc/passwd", kOpenRead, 0}), BrokerFault::forbidden);
  EXPECT_EQ(broker().fault(MakeSymlink{"a", "b"}), BrokerFault::forbidden);
}

TEST_F(BrokerPrograms, are_subsystems_of_the_configuration_only) {
  policy.programs = false;
  policy.subsystems = {{"netconf", "echo hello"}};
  SpawnProgram spawn;
  spawn.kind = ProgramKind::subsystem;
  spawn.words = {"netconf"};
  EXPECT_EQ(run(spawn).out, "hello\n");
  spawn.words = {"other"};
  EXPECT_EQ(broker().fault(spawn), BrokerFault::forbidden);
  EXPECT_EQ(broker().fault(command("id")), BrokerFault::forbidden);
  EXPECT_EQ(broker().fault(SpawnProgram{}), BrokerFault::forbidden);
}

TEST_F(BrokerPrograms, are_bounded_in_number) {
  policy.max_children = 2;
  auto first = broker().ask(command("sleep 100")), second = broker().ask(command("sleep 100"));
  EXPECT_EQ(broker().fault(command("sleep 100")), BrokerFault::too_many);
  broker().expect<Done>(SignalChild{BrokerFixture::expect_in<Spawned>(first).child, "KILL"});
  EXPECT_EQ(BrokerFixture::expect_in<ChildExited>(broker().next_event()).signal, "KILL");
  auto third = broker().ask(command("sleep 100"));
  for (auto* each : {&second, &third})
    broker().expect<Done>(SignalChild{BrokerFixture::expect_in<Spawned>(*each).child, "KILL"});
}

TEST_F(BrokerPrograms, on_a_terminal_are_hung_up_when_the_link_closes) {
  SpawnProgram spawn =
      command("trap 'echo bye >" + (folder / "told") + "; exit' HUP; echo ready; while :; do sleep 0.05; done");
  spawn.terminal = TerminalRequest{"vt100", {}, {}};
  auto received = broker().ask(spawn);
  pollfd ready{received.descriptors[0].get(), POLLIN, 0};
  ASSERT_EQ(::poll(&ready, 1, 30000), 1);
  broker().drop_link();
  // The network process still holds the terminal: it is the signal that tells.
  for (int i = 0; i < 600 && folder.read("told") != "bye\n"; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(folder.read("told"), "bye\n");
}

TEST_F(BrokerPrograms, find_the_agents_socket) {
  policy.agent = true;
  auto listening = broker().ask(MakeAgentSocket{});
  const auto agent = BrokerFixture::expect_in<Listening>(listening);
  SpawnProgram spawn = command("echo $SSH_AUTH_SOCK; stat -c %a $(dirname $SSH_AUTH_SOCK) $SSH_AUTH_SOCK");
  spawn.agent = agent.handle;
  EXPECT_EQ(run(spawn).out, agent.path + "\n700\n600\n");
  broker().expect<Done>(CloseHandle{agent.handle});
  EXPECT_FALSE(std::filesystem::exists(agent.path));
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::path(agent.path).parent_path()));
  spawn.agent = 77;
  EXPECT_EQ(broker().fault(spawn), BrokerFault::bad_handle);
}

}  // namespace
}  // namespace sluice
