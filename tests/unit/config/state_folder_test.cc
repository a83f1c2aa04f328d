// The folder with the server's keys: who may write in it, whatever the umask is.
#include "control/config/state_folder.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/temp_folder.h"

namespace sluice {
namespace {

mode_t mode_of(const std::string& path) {
  struct stat facts {};
  EXPECT_EQ(::stat(path.c_str(), &facts), 0) << path;
  return facts.st_mode & 07777;
}

class StateFolder : public testing::TestWithParam<mode_t> {
 protected:
  StateFolder() : before_(::umask(GetParam())) {}
  ~StateFolder() override { ::umask(before_); }

  test::TempFolder folder_;

 private:
  mode_t before_;
};

TEST_P(StateFolder, is_made_with_its_modes_whatever_the_umask_is) {
  const std::string path = folder_.path() + "/above/between/state";
  for (int i = 0; i < 2; ++i) {
    const auto made = make_state_folder(path);
    ASSERT_TRUE(made) << made.error();
    EXPECT_EQ(mode_of(path), 0700u);
    EXPECT_EQ(mode_of(folder_.path() + "/above/between"), 0755u);
    EXPECT_EQ(mode_of(folder_.path() + "/above"), 0755u);
    EXPECT_EQ(mode_of(folder_.path()), 0700u);
  }
  EXPECT_TRUE(make_state_folder(path + "2/"));
  EXPECT_EQ(mode_of(path + "2"), 0700u);
}

INSTANTIATE_TEST_SUITE_P(Umasks, StateFolder, testing::Values(0, 022, 077));

TEST(StateFolders, that_others_may_write_in_are_refused) {
  const test::TempFolder folder;
  for (const mode_t mode : {0777, 01777, 0770, 0702}) {
    ASSERT_EQ(::chmod(folder.path().c_str(), mode), 0);
    const auto made = make_state_folder(folder.path());
    ASSERT_FALSE(made) << mode;
    EXPECT_NE(made.error().find("chmod go-w"), std::string::npos);
  }
  ASSERT_EQ(::chmod(folder.path().c_str(), 0755), 0);
  EXPECT_TRUE(make_state_folder(folder.path()));
  EXPECT_FALSE(make_state_folder("/dev/null"));
}

}  // namespace
}  // namespace sluice
