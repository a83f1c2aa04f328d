// What commits leave behind, also over a restart; files and operators who change the configuration at the same time.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "control/management/commit_history.h"
#include "tests/unit/management/shell_world.h"

namespace sluice::test {
namespace {

class LedgerTest : public testing::Test {
 protected:
  std::string commit(ConfigLedger& to, const std::string& lines, const std::string& who = "console by lab") {
    std::string told = "nothing came";
    to.commit(config_of(lines), who, std::nullopt,
              [&](const ResultOrText<std::string>& result) { told = result ? *result : result.error(); });
    return told;
  }
  std::string roll_back(ConfigLedger& in, size_t commits) {
    std::string told = "nothing came";
    in.roll_back(commits, "console by lab",
                 [&](const ResultOrText<std::string>& result) { told = result ? *result : result.error(); });
    return told;
  }
  std::string history() const { return host.folder.path() + "/commits"; }
  size_t files() const {
    const auto all = std::filesystem::directory_iterator(history());
    return static_cast<size_t>(std::distance(begin(all), end(all)));
  }

  FakeHost host;
};

TEST_F(LedgerTest, A_restart_forgets_no_commit) {
  {
    ConfigLedger ledger(host, history());
    EXPECT_EQ(commit(ledger, "ssh server dscp 8\n", "vty by ann"), "");
    EXPECT_EQ(commit(ledger, "ssh server dscp 9\nusername ann secret 0 s3cret\n"), "");
    EXPECT_EQ(commit(ledger, "ssh server dscp 10\n"), "");
  }
  ConfigLedger again(host, history());
  ASSERT_EQ(again.commits().size(), 3u);
  EXPECT_EQ(again.commits()[2].who, "vty by ann");
  EXPECT_EQ(again.commits()[2].number, 1u);
  EXPECT_EQ(roll_back(again, 1), "");
  EXPECT_EQ(host.config.listen.dscp, 9u);
  EXPECT_EQ(host.config.users["ann"].secret, "s3cret");
  // That was a commit of its own.
  EXPECT_EQ(again.commits().front().number, 4u);
  EXPECT_EQ(roll_back(again, 4), "");
  EXPECT_EQ(host.config.listen.dscp, 16u);
}

TEST_F(LedgerTest, What_waits_for_a_restart_is_told_without_its_secrets) {
  ConfigLedger ledger(host, history());
  const std::string told = commit(ledger, "crypto token engine pkcs11,PIN=1234\nworkers count 2\n");
  EXPECT_NE(told.find("workers count 2"), std::string::npos) << told;
  EXPECT_NE(told.find("crypto token engine"), std::string::npos) << told;
  EXPECT_EQ(told.find("1234"), std::string::npos) << told;
  EXPECT_EQ(roll_back(ledger, 1).find("1234"), std::string::npos);
}

TEST_F(LedgerTest, The_history_is_bounded_and_nobody_elses_to_read) {
  ConfigLedger ledger(host, history());
  for (unsigned i = 0; i < kMaxCommits + 5; ++i) commit(ledger, text("ssh server dscp ", std::to_string(i % 60), "\n"));
  EXPECT_EQ(ledger.commits().size(), kMaxCommits);
  EXPECT_EQ(files(), kMaxCommits);
  for (const auto& file : std::filesystem::directory_iterator(history())) {
    struct stat facts {};
    ASSERT_EQ(::stat(file.path().c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777u, 0600u);
  }
  EXPECT_EQ(ConfigLedger(host, history()).commits().size(), kMaxCommits);
}

TEST_F(LedgerTest, What_was_damaged_is_left_out_and_the_rest_is_there) {
  {
    ConfigLedger ledger(host, history());
    commit(ledger, "ssh server dscp 8\n");
    commit(ledger, "ssh server dscp 9\n");
  }
  std::ofstream(history() + "/commit.2") << "no head\nssh server dscp 40\n";
  std::ofstream(history() + "/commit.x") << "nothing of ours";
  ConfigLedger again(host, history());
  ASSERT_EQ(again.commits().size(), 1u);
  EXPECT_EQ(again.commits()[0].number, 1u);
  // Its number is not given again.
  commit(again, "ssh server dscp 11\n");
  EXPECT_EQ(again.commits()[0].number, 3u);
}

TEST_F(LedgerTest, A_commit_that_changes_nothing_is_none) {
  ConfigLedger ledger(host);
  commit(ledger, "ssh server dscp 8\n");
  const uint64_t serial = ledger.serial();
  commit(ledger, "ssh server dscp 8\n");
  EXPECT_EQ(ledger.serial(), serial);
  EXPECT_EQ(ledger.commits().size(), 1u);
}

TEST_F(LedgerTest, A_file_that_is_read_again_makes_candidates_outdated) {
  ConfigLedger ledger(host);
  ShellSession shell(host, ledger, {"lab", 15, "console"}, false);
  const auto run = [&](const std::string& line) {
    ShellReply got;
    shell.execute(line, [&](ShellReply reply) { got = std::move(reply); });
    return got.output;
  };
  run("configure");
  run("ssh server dscp 8");
  ledger.take_file(config_of("login deny-users bob\n"), "/conf by a reload", [](const auto&) {});
  EXPECT_NE(run("commit").find("changed meanwhile, by /conf by a reload"), std::string::npos);
  EXPECT_EQ(host.config.listen.dscp, 16u);
  // It is not written: it was read from there.
  EXPECT_EQ(host.file, "");
}

TEST_F(LedgerTest, A_file_waits_for_the_change_that_is_being_made) {
  ConfigLedger ledger(host);
  host.hold_changes = true;
  std::vector<std::string> ends;
  ledger.commit(config_of("ssh server dscp 8\n"), "lab", std::nullopt,
                [&](const auto&) { ends.emplace_back("commit"); });
  for (const char* lines : {"ssh server dscp 20\n", "ssh server dscp 21\n"})
    ledger.take_file(config_of(lines), "file",
                     [&](const auto& result) { ends.emplace_back(result ? "file" : "older"); });
  EXPECT_EQ(ends, std::vector<std::string>{"older"});
  std::exchange(host.held_changes, {}).front()(std::string());
  ASSERT_EQ(host.held_changes.size(), 1u);
  host.held_changes.front()(std::string());
  EXPECT_EQ(ends, (std::vector<std::string>{"older", "commit", "file"}));
  EXPECT_EQ(host.config.listen.dscp, 21u);
}

TEST_F(LedgerTest, Operators_of_IOS_do_not_undo_each_others_lines) {
  host.config = config_of("platform ios\n");
  ConfigLedger ledger(host);
  ShellSession ann(host, ledger, {"ann", 15, "vty"}, false), bob(host, ledger, {"bob", 15, "vty"}, false);
  const auto run = [](ShellSession& shell, const std::string& line) { shell.execute(line, [](const ShellReply&) {}); };
  run(ann, "configure terminal");
  run(bob, "configure terminal");
  run(ann, "ip ssh time-out 50");
  run(bob, "ip ssh authentication-retries 2");
  EXPECT_EQ(host.config.limits.login_timeout_s, 50u);
  EXPECT_EQ(host.config.limits.max_auth_tries, 2u);
  // Also inside a mode, which stays.
  run(bob, "username carl");
  run(ann, "ip ssh time-out 60");
  run(bob, "secret 0 s3cret");
  EXPECT_EQ(host.config.limits.login_timeout_s, 60u);
  EXPECT_EQ(host.config.users["carl"].secret, "s3cret");
}

TEST(EnableGuardTest, Whoever_fails_thrice_waits_longer_each_time) {
  EnableGuard guard;
  uint64_t now = 1000;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(guard.begin("ann", now), 0u);
  EXPECT_EQ(guard.begin("ann", now), 30u);
  EXPECT_EQ(guard.begin("bob", now), 0u);
  now += 30'000;
  EXPECT_EQ(guard.begin("ann", now), 0u);
  EXPECT_EQ(guard.begin("ann", now), 60u);
  for (int i = 0; i < 20; ++i) guard.begin("ann", now += 900'000);
  EXPECT_EQ(guard.begin("ann", now), 900u);
  guard.succeeded("ann");
  EXPECT_EQ(guard.begin("ann", now), 0u);
}

TEST(NetworkFactsTest, Entries_of_all_lists_together_are_bounded) {
  NetworkFacts facts;
  facts.sessions.resize(3);
  for (SessionFacts& session : facts.sessions) session.channels.resize(kMaxTold / 2);
  facts.workers.resize(2);
  // What is written can be read, with what came first whole.
  const auto read = NetworkFacts::read(facts.write());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->workers.size(), 2u);
  size_t entries = read->workers.size() + read->sessions.size();
  for (const SessionFacts& session : read->sessions) entries += session.channels.size();
  EXPECT_LE(entries, kMaxTold);
  EXPECT_EQ(read->sessions.size(), 3u);
}

}  // namespace
}  // namespace sluice::test
