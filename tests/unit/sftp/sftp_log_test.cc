// What the log of transfers says of operations that were refused or failed, and how little a stranger can make of it.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "services/connection/transfer_log.h"
#include "tests/unit/sftp/sftp_world.h"

namespace sluice {
namespace {

using test::SftpWorld;
using test::TempFolder;

class SftpLog : public testing::Test {
 protected:
  // The latest line.
  static std::string last(SftpWorld& peer) {
    const auto lines = peer.log_lines();
    return lines.empty() ? "" : lines.back();
  }
  static std::string refused(const std::string& rest) {
    return "sftp: user \"tester\" from 192.0.2.7:4022 refused " + rest;
  }

  TempFolder folder{"/dev/shm"};
};

TEST_F(SftpLog, tells_opens_and_changes_that_fail_with_their_names) {
  SftpWorld peer(folder.path());
  peer.init();
  peer.ask(SftpType::open, WireWriter().string("none").u32(kSftpRead).u32(0).view());
  EXPECT_EQ(last(peer), refused("open \"none\": No such file or directory"));
  peer.ask(SftpType::opendir, WireWriter().string("no folder").view());
  EXPECT_EQ(last(peer), refused("opendir \"no folder\": No such file or directory"));
  peer.ask(SftpType::rename, WireWriter().string("a").string("b").view());
  EXPECT_EQ(last(peer), refused("rename \"a\" \"b\": No such file or directory"));
  peer.extended("posix-rename@openssh.com", WireWriter().string("c").string("d").view());
  EXPECT_EQ(last(peer), refused("posix-rename \"c\" \"d\": No such file or directory"));
  peer.ask(SftpType::rmdir, WireWriter().string(".").view());
  EXPECT_TRUE(last(peer).starts_with(refused("rmdir \".\": "))) << last(peer);
  const auto handle = peer.open("f", kSftpWrite | kSftpCreate);
  const size_t lines = peer.log_lines().size();
  // What is only looked for may be missing.
  peer.ask(SftpType::stat, WireWriter().string("none").view());
  peer.ask(SftpType::mkdir, WireWriter().string("made").u32(0).view());
  EXPECT_EQ(peer.log_lines().size(), lines);
}

TEST_F(SftpLog, tells_what_read_only_mode_and_limits_refuse) {
  folder.write("f", "as it was");
  SftpLimits settings;
  settings.read_only = true;
  settings.user.handles = 1;
  SftpWorld peer(folder.path(), settings);
  peer.init();
  const auto handle = peer.open("f", kSftpRead);
  peer.ask(SftpType::remove, WireWriter().string("f").view());
  EXPECT_EQ(last(peer), refused("remove \"f\": Read-only"));
  peer.ask(SftpType::fsetstat, WireWriter().string(Bytes(handle)).u32(0).view());
  EXPECT_EQ(last(peer), refused("fsetstat \"f\": Read-only"));
  peer.ask(SftpType::open, WireWriter().string("g").u32(kSftpWrite).u32(0).view());
  EXPECT_EQ(last(peer), refused("open \"g\": Read-only"));
  peer.ask(SftpType::open, WireWriter().string("f").u32(kSftpRead).u32(0).view());
  EXPECT_EQ(last(peer), refused("open \"f\": Too many open files"));
  // A body that is no request's.
  peer.ask(SftpType::rename, WireWriter().u32(0xffffffffu).view());
  EXPECT_EQ(last(peer), refused("rename \"\": Read-only"));
}

TEST_F(SftpLog, says_nothing_where_nobody_wants_it) {
  SftpLimits settings;
  settings.transfer_log = false;
  SftpWorld peer(folder.path(), settings);
  peer.init();
  peer.ask(SftpType::open, WireWriter().string("none").u32(kSftpRead).u32(0).view());
  EXPECT_TRUE(peer.log_lines().empty());
}

TEST_F(SftpLog, writes_hostile_names_as_one_word_of_bounded_length) {
  SftpWorld peer(folder.path());
  peer.init();
  peer.ask(SftpType::remove, WireWriter().string("x\": ok\nsftp: user \"root\"\x1b[2J\xff\\").view());
  EXPECT_EQ(last(peer), refused("remove \"x\\x22: ok\\x0asftp: user \\x22root\\x22\\x1b[2J\\xff\\x5c\": "
                                "No such file or directory"));
  peer.ask(SftpType::remove, WireWriter().string(std::string(60000, '\n')).view());
  EXPECT_LT(last(peer).size(), 4 * kMaxQuoted + 200);
  EXPECT_NE(last(peer).find("\"...: "), std::string::npos);
}

TEST_F(SftpLog, counts_what_a_flood_of_refusals_leaves_untold) {
  SftpWorld peer(folder.path());
  peer.init();
  constexpr uint32_t kMany = 5000;
  for (uint32_t i = 0; i < kMany; ++i) {
    peer.send(SftpType::remove, 10000 + i, WireWriter().string("none").view());
    if (i % 100 == 0) peer.turn();
  }
  ASSERT_TRUE(peer.run_until([&] { return peer.answers.size() == kMany; }));
  EXPECT_GE(peer.log_lines().size(), 100u);
  EXPECT_LT(peer.log_lines().size(), 100u + 500);
  // Sooner or later one is told again, and says how many there were.
  EXPECT_TRUE(peer.run_until([&] {
    peer.ask(SftpType::remove, WireWriter().string("none").view());
    return last(peer).find("before it that were not told)") != std::string::npos;
  }));
}

}  // namespace
}  // namespace sluice
