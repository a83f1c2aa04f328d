// A destination that a stranger fills: nothing gets out of it.
#include "services/copy/local_side.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "tests/support/temp_folder.h"

namespace sluice {
namespace {

using test::TempFolder;

TEST(LocalSide, takes_no_name_that_leads_elsewhere) {
  for (const char* name : {"", ".", "..", "a/b", "/", "a\nb", "a\x1b[2J", "\x7f"})
    EXPECT_FALSE(is_safe_name(name)) << name;
  EXPECT_FALSE(is_safe_name(std::string_view("a\0b", 3)));
  EXPECT_FALSE(is_safe_name(std::string(256, 'a')));
  for (const char* name : {"a", "...", ".a", "-rf", "a b", "\xc3\xbc"}) EXPECT_TRUE(is_safe_name(name)) << name;
}

TEST(LocalSide, does_not_follow_links_below_its_root) {
  const TempFolder outside, folder;
  outside.write("victim", "untouched");
  auto side = LocalSide::below(folder.path());
  ASSERT_TRUE(side);
  ASSERT_TRUE((*side)->make_symlink(outside.path(), "way"));
  ASSERT_TRUE((*side)->make_symlink(outside / "victim", "file"));
  EXPECT_FALSE((*side)->open("way/new", O_WRONLY | O_CREAT));
  EXPECT_FALSE((*side)->open("file", O_WRONLY | O_TRUNC));
  EXPECT_FALSE((*side)->make_directory("way/folder", 0755));
  EXPECT_FALSE((*side)->make_directory("way", 0755));
  EXPECT_FALSE((*side)->make_symlink("x", "way/link"));
  EXPECT_FALSE((*side)->remove("way/victim"));
  EXPECT_FALSE((*side)->open("../" + outside.path().substr(5) + "/victim", O_RDONLY));
  EXPECT_FALSE((*side)->change("file", {.mode = 0}));
  folder.write("fresh", "new");
  EXPECT_FALSE((*side)->replace("fresh", "way/victim"));
  // A link that is in the way of a file is replaced, and not written through.
  EXPECT_TRUE((*side)->replace("fresh", "file"));
  EXPECT_EQ(outside.read("victim"), "untouched");
  EXPECT_EQ(folder.read("file"), "new");
  EXPECT_FALSE(std::filesystem::exists(outside / "new"));
}

TEST(LocalSide, does_what_copies_need) {
  const TempFolder folder;
  auto side = LocalSide::below(folder.path());
  ASSERT_TRUE(side);
  ASSERT_TRUE((*side)->make_directory("a", 0755));
  ASSERT_TRUE((*side)->make_directory("a", 0755));
  ASSERT_TRUE((*side)->make_directory("a/b", 0755));
  const std::string text = "content";
  ASSERT_TRUE((*side)->write_small("a/b/small", bytes_of(text)));
  const auto read = (*side)->read_small("a/b/small", 100);
  ASSERT_TRUE(read);
  EXPECT_EQ(text_of(*read), text);
  ASSERT_TRUE((*side)->change("a/b/small", {.mode = 0640, .times = SftpTimes{5, 6}}));
  const auto facts = (*side)->look("a/b/small", false);
  ASSERT_TRUE(facts);
  EXPECT_TRUE(facts->is_regular());
  EXPECT_EQ(*facts->mode & 07777u, 0640u);
  EXPECT_EQ(facts->times->modified, 6u);
  std::vector<std::string> names;
  ASSERT_TRUE((*side)->list("a", [&](SftpName&& name) { return names.push_back(name.name), true; }));
  EXPECT_EQ(names, std::vector<std::string>{"b"});
  EXPECT_FALSE((*side)->look("a/missing", false));
}

}  // namespace
}  // namespace sluice
