// Who hears which line of debugging: several sessions and addresses at a time, and none that nobody asked for.
#include "base/debug_words.h"
#include "tests/unit/management/shell_world.h"

namespace sluice::test {
namespace {

TEST(DebugWish, is_written_and_read_as_words) {
  const std::vector<DebugWish> wishes{{kDebugDetail}, {kDebugDetail | kDebugWhole, 7}, {kDebugScp, 0, "2001:db8::1"}};
  EXPECT_EQ(wishes_text(wishes), "1 0 - 9 7 - 4 0 2001:db8::1");
  EXPECT_EQ(read_wishes(wishes_text(wishes)), wishes);
  EXPECT_TRUE(read_wishes("").empty());
  EXPECT_TRUE(read_wishes("x 0 -").empty());
  EXPECT_EQ(read_wishes("1 0 - 4294967296 0 -").size(), 1u);
  std::string many;
  for (int i = 0; i < 1000; ++i) many.append("1 1 - ");
  EXPECT_EQ(read_wishes(many).size(), kMostWishesTold);
}

TEST_F(ShellTest, Several_sessions_and_addresses_are_debugged_at_a_time) {
  run("debug ssh server session 3");
  run("debug ssh server session 4");
  run("debug ssh server address 192.0.2.1");
  run("debug ip scp");
  const auto hears = [&](uint32_t kind, uint64_t session, const char* address) {
    return any_wants(shell.debug_wishes(), kind, session, address);
  };
  EXPECT_TRUE(hears(kDebugDetail, 3, "10.0.0.1"));
  EXPECT_TRUE(hears(kDebugDetail, 4, "10.0.0.1"));
  EXPECT_FALSE(hears(kDebugDetail, 5, "10.0.0.1"));
  EXPECT_TRUE(hears(kDebugWhole, 5, "192.0.2.1"));
  // What is asked for of all does not widen what is asked for of some.
  EXPECT_TRUE(hears(kDebugScp, 5, "10.0.0.1"));
  EXPECT_FALSE(hears(kDebugDetail, 6, "10.0.0.2"));
  const std::string shown = output("show debugging");
  EXPECT_TRUE(has_line(shown, "SSH: Incoming SSH session 3 debugging is on")) << shown;
  EXPECT_TRUE(has_line(shown, "SSH: Incoming SSH address 192.0.2.1 debugging is on")) << shown;
  EXPECT_TRUE(has_line(shown, "SCP: Incoming SCP debugging is on")) << shown;
  run("no debug ssh server session 3");
  EXPECT_FALSE(hears(kDebugDetail, 3, "10.0.0.1"));
  EXPECT_TRUE(hears(kDebugDetail, 4, "10.0.0.1"));
  run("no debug ssh server");
  EXPECT_FALSE(hears(kDebugDetail, 4, "10.0.0.1"));
  EXPECT_TRUE(hears(kDebugScp, 5, "10.0.0.1"));
  run("undebug all");
  EXPECT_EQ(output("show debugging"), "");
}

TEST_F(ShellTest, Debugging_is_bounded) {
  for (int i = 1; i <= 100; ++i) run("debug ssh server session " + std::to_string(i));
  EXPECT_EQ(shell.debug_wishes().size(), kMostWishes);
  EXPECT_TRUE(run("debug ssh server session 101").failed);
}

}  // namespace
}  // namespace sluice::test
