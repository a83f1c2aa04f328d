// What ls and df of sluice sftp show.
#include "apps/sluice/sftp/listing.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

ListedFile file(const char* name, uint64_t size, uint32_t modified, uint32_t mode = 0100644) {
  SftpAttributes a;
  a.size = size;
  a.mode = mode;
  a.times = SftpTimes{modified, modified};
  a.owner = SftpOwner{1000, 100};
  return {name, std::string("server's ") + name, a};
}

std::string names(const std::vector<ListedFile>& files) {
  std::string out;
  for (const auto& f : files) out += f.name + " ";
  return out;
}

TEST(Listing, Is_sorted_by_name_size_or_time_and_reversed) {
  std::vector<ListedFile> files{file("b", 1, 30), file("a", 3, 10), file("c", 2, 20)};
  SftpFlags flags;
  flags.in_order = true;
  sort_listing(files, flags);
  EXPECT_EQ(names(files), "b a c ");
  flags = {};
  sort_listing(files, flags);
  EXPECT_EQ(names(files), "a b c ");
  flags.by_size = true;
  sort_listing(files, flags);
  EXPECT_EQ(names(files), "a c b ");
  flags.reversed = true;
  sort_listing(files, flags);
  EXPECT_EQ(names(files), "b c a ");
  flags = {};
  flags.by_time = true;
  sort_listing(files, flags);
  EXPECT_EQ(names(files), "b c a ");
}

TEST(Listing, Fills_columns_up_to_the_width) {
  std::vector<ListedFile> files;
  for (const char* name : {"aaaa", "bb", "cccc", "d"}) files.push_back(file(name, 1, 1));
  EXPECT_EQ(show_listing(files, {}, {}, 12, 0), "aaaa  bb    \ncccc  d     \n");
  EXPECT_EQ(show_listing(files, {}, {}, 1, 0), "aaaa\nbb\ncccc\nd\n");
  SftpFlags flags;
  flags.one_column = true;
  EXPECT_EQ(show_listing(files, flags, {}, 80, 0), "aaaa\nbb\ncccc\nd\n");
}

TEST(Listing, Shows_the_servers_line_unless_it_knows_better) {
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  SftpFlags flags;
  flags.lengthy = true;
  const std::vector<ListedFile> files{file("f", 1536, 1'000'000'000, 0104755)};
  EXPECT_EQ(show_listing(files, flags, {}, 80, 0), "server's f\n");
  OwnerNames owners{true, {{1000, "ann"}}, {}};
  EXPECT_EQ(show_listing(files, flags, owners, 80, 1'000'000'100),
            "-rwsr-xr-x    ? ann      100          1536 Sep  9 01:46 f\n");
  flags.numeric = flags.readable = true;
  EXPECT_EQ(show_listing(files, flags, owners, 80, 1'100'000'000),
            "-rwsr-xr-x    ? 1000     100          1.5K Sep  9  2001 f\n");
}

TEST(Listing, Nothing_of_a_stranger_reaches_the_terminal_as_it_is) {
  ListedFile bad = file("x\x1b]0;owned\x07\r\n", 1, 1);
  bad.long_name = "\x1b[2J";
  SftpFlags lengthy;
  lengthy.lengthy = true;
  for (const SftpFlags& flags : {SftpFlags{}, lengthy}) {
    const std::string text = show_listing({bad}, flags, {}, 80, 0);
    for (const char c : text.substr(0, text.size() - 1)) EXPECT_GE(static_cast<unsigned char>(c), 32);
  }
}

TEST(Listing, Sizes_are_scaled_for_people) {
  EXPECT_EQ(scaled_size(0), "0B");
  EXPECT_EQ(scaled_size(1023), "1023B");
  EXPECT_EQ(scaled_size(1024), "1.0K");
  EXPECT_EQ(scaled_size(1536), "1.5K");
  EXPECT_EQ(scaled_size(10 * 1024), "10.0K");
  EXPECT_EQ(scaled_size(3000000), "2.9M");
  EXPECT_EQ(scaled_size(1048575), "1.0M");
  EXPECT_EQ(scaled_size(uint64_t{264212084} * 1024), "252G");
  EXPECT_EQ(scaled_size(uint64_t{3} << 30), "3.0G");
  EXPECT_EQ(scaled_size(UINT64_MAX), "16.0E");
}

TEST(Listing, A_filesystem_is_shown_whatever_the_server_says_of_it) {
  SftpFilesystem f;
  f.fragment_size = 4096;
  f.blocks = 1000;
  f.free_blocks = 250;
  f.available_blocks = 200;
  EXPECT_EQ(show_filesystem(f, {}),
            "        Size         Used        Avail       (root)    %Capacity\n"
            "        4000         3000          800         1000          75%\n");
  SftpFilesystem liar;
  liar.blocks = 1;
  liar.free_blocks = 5;
  liar.files = 0;
  SftpFlags inodes;
  inodes.inodes = true;
  EXPECT_NE(show_filesystem(liar, {}).find("  0%"), std::string::npos);
  EXPECT_NE(show_filesystem(liar, inodes).find("  0%"), std::string::npos);
}

}  // namespace
}  // namespace sluice
