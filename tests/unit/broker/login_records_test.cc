// Records of logins, read back as libc's own readers see them; what precedes a shell; the book of a user's terminals.
#include "services/broker/login_records.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utmp.h>

#include <cstdlib>
#include <fstream>

#include "services/broker/greeting.h"
#include "services/broker/terminal_book.h"
#include "tests/support/temp_folder.h"

namespace sluice {
namespace {

using test::TempFolder;

class LoginRecords : public testing::Test {
 protected:
  LoginRecords() {
    for (const std::string& path : {files.utmp, files.wtmp, files.lastlog}) std::ofstream(path).flush();
  }

  std::vector<utmp> entries(const std::string& path) {
    std::vector<utmp> all;
    std::ifstream file(path, std::ios::binary);
    utmp each;
    while (file.read(reinterpret_cast<char*>(&each), sizeof each)) all.push_back(each);
    return all;
  }

  TempFolder folder;
  RecordFiles files{folder / "utmp", folder / "wtmp", folder / "lastlog"};
  TerminalLogin ann{"ann", 1234, 7, ::getpid(), "192.0.2.1"};
};

TEST_F(LoginRecords, say_who_is_there_until_he_is_not) {
  record_login(files, ann);
  auto now = entries(files.utmp);
  ASSERT_EQ(now.size(), 1u);
  EXPECT_EQ(now[0].ut_type, USER_PROCESS);
  EXPECT_STREQ(now[0].ut_line, "pts/7");
  EXPECT_EQ(std::string(now[0].ut_id, 4), "ts/7");
  EXPECT_STREQ(now[0].ut_user, "ann");
  EXPECT_STREQ(now[0].ut_host, "192.0.2.1");
  EXPECT_EQ(now[0].ut_pid, ::getpid());
  EXPECT_EQ(now[0].ut_addr_v6[0], static_cast<int32_t>(htonl(0xc0000201)));
  record_logout(files, ann);
  now = entries(files.utmp);
  ASSERT_EQ(now.size(), 1u) << "the line's entry is used again";
  EXPECT_EQ(now[0].ut_type, DEAD_PROCESS);
  const auto history = entries(files.wtmp);
  ASSERT_EQ(history.size(), 2u);
  EXPECT_EQ(history[0].ut_type, USER_PROCESS);
  EXPECT_EQ(history[1].ut_type, DEAD_PROCESS);
}

TEST_F(LoginRecords, keep_terminals_apart_whose_numbers_are_long) {
  TerminalLogin bob = ann;
  ann.terminal = 12345;
  bob.terminal = 22345;
  bob.user = "bob";
  record_login(files, ann);
  record_login(files, bob);
  record_logout(files, ann);
  const auto history = entries(files.wtmp);
  ASSERT_EQ(history.size(), 3u);
  EXPECT_STREQ(history[2].ut_line, "pts/12345");
}

TEST_F(LoginRecords, know_the_last_login_of_each_user) {
  EXPECT_EQ(last_login_text(files, 1234), "");
  record_login(files, ann);
  EXPECT_TRUE(last_login_text(files, 1234).starts_with("Last login: "));
  EXPECT_TRUE(last_login_text(files, 1234).ends_with(" from 192.0.2.1"));
  EXPECT_EQ(last_login_text(files, 1233), "");
  EXPECT_EQ(last_login_text(files, 1235), "");
}

TEST_F(LoginRecords, make_no_file_that_is_not_there) {
  for (const std::string& path : {files.utmp, files.wtmp, files.lastlog}) ::unlink(path.c_str());
  record_login(files, ann);
  record_logout(files, ann);
  for (const std::string& path : {files.utmp, files.wtmp, files.lastlog}) EXPECT_NE(::access(path.c_str(), F_OK), 0);
}

TEST_F(LoginRecords, are_written_of_the_users_own_terminals_and_processes_only) {
  const std::optional<RecordFiles> wanted = files;
  const auto terminal = [] {
    UniqueFd opened(::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (opened) ::unlockpt(opened.get());
    return opened;
  };
  const auto with = [](UniqueFd first) {
    std::vector<UniqueFd> given;
    given.push_back(std::move(first));
    given.emplace_back(::open("/dev/null", O_RDWR | O_CLOEXEC));
    return given;
  };
  const BrokerNews opened{BrokerNewsKind::terminal_opened, 1, "", 0, static_cast<uint32_t>(::getpid())};
  if (!terminal()) GTEST_SKIP() << "no terminal to be had";
  {
    TerminalBook book(wanted, "ann", ::getuid());
    book.begin_link(1, "192.0.2.1");
    book.take(opened, with(UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC))));
    book.take(opened, {});
    BrokerNews other = opened;
    other.links = 2;  // nobody's
    book.take(other, with(terminal()));
    TerminalBook stranger(wanted, "bob", ::getuid() + 1);
    stranger.begin_link(1, "192.0.2.1");
    stranger.take(opened, with(terminal()));
    EXPECT_EQ(entries(files.wtmp).size(), 0u);
    book.take(opened, with(terminal()));
    ASSERT_EQ(entries(files.wtmp).size(), 1u);
    EXPECT_STREQ(entries(files.wtmp)[0].ut_host, "192.0.2.1");
  }
  // The book is closed: whoever was there is not any more.
  ASSERT_EQ(entries(files.wtmp).size(), 2u);
  EXPECT_EQ(entries(files.wtmp)[1].ut_type, DEAD_PROCESS);
}

TEST(Greeting, is_for_shells_on_terminals_of_who_does_not_want_quiet) {
  TempFolder home;
  UserIdentity user;
  user.home = home.path();
  user.session_text = "from the session";
  LinkPolicy policy;
  policy.message = "from the configuration";
  SpawnProgram spawn;
  spawn.terminal.emplace();
  EXPECT_EQ(greeting_for(user, policy, spawn), "from the session\nfrom the configuration\n");
  SpawnProgram command = spawn;
  command.kind = ProgramKind::shell_command;
  EXPECT_EQ(greeting_for(user, policy, command), "");
  SpawnProgram piped;
  EXPECT_EQ(greeting_for(user, policy, piped), "");
  LinkPolicy forced = policy;
  forced.forced_command = "true";
  EXPECT_EQ(greeting_for(user, forced, spawn), "");
  std::ofstream(home / ".hushlogin").flush();
  EXPECT_EQ(greeting_for(user, policy, spawn), "");
}

}  // namespace
}  // namespace sluice
