// A broker's requests about files, each through a link and a process of its own.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <set>

#include "tests/support/broker_fixture.h"
#include "tests/support/temp_folder.h"

namespace sluice {
namespace {

using test::BrokerFixture;
using test::TempFolder;

class BrokerFiles : public testing::Test {
 protected:
  BrokerFiles() : broker(test::own_identity(folder.path())) {}

  BrokerReceived open(const std::string& name, uint32_t flags, uint32_t mode = 0666) {
    BrokerReceived received = broker.ask(OpenFile{name, flags, mode});
    EXPECT_TRUE(std::holds_alternative<FileOpened>(received.answer)) << name;
    return received;
  }
  uint32_t handle(const BrokerReceived& opened) { return std::get<FileOpened>(opened.answer).handle; }

  TempFolder folder;
  BrokerFixture broker;
};

TEST_F(BrokerFiles, opens_a_file_and_gives_its_descriptor_handle_and_attributes) {
  folder.write("a", "hello");
  const auto opened = open("a", kOpenRead);
  ASSERT_EQ(opened.descriptors.size(), 1u);
  char text[8] = {};
  EXPECT_EQ(::pread(opened.descriptors[0].get(), text, sizeof text, 0), 5);
  EXPECT_STREQ(text, "hello");
  EXPECT_EQ(std::get<FileOpened>(opened.answer).attributes.size, 5u);
  EXPECT_EQ(::fcntl(opened.descriptors[0].get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(::fcntl(opened.descriptors[0].get(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_EQ(broker.expect<Attributes>(StatHandle{handle(opened)}).attributes.size, 5u);
  broker.expect<Done>(CloseHandle{handle(opened)});
  EXPECT_EQ(broker.fault(StatHandle{handle(opened)}), BrokerFault::bad_handle);
  EXPECT_EQ(broker.fault(CloseHandle{handle(opened)}), BrokerFault::bad_handle);
  const auto again = open("a", kOpenRead);
  broker.client().tell(CloseHandle{handle(again)});
  EXPECT_EQ(broker.fault(StatHandle{handle(again)}), BrokerFault::bad_handle) << "closed, and not answered";
  // The descriptor outlives the handle.
  EXPECT_EQ(::pread(opened.descriptors[0].get(), text, sizeof text, 1), 4);
}

TEST_F(BrokerFiles, creates_truncates_and_appends_as_asked) {
  const auto made = open("new", kOpenWrite | kOpenCreate | kOpenExclusive, 0640);
  EXPECT_EQ(::pwrite(made.descriptors[0].get(), "12345", 5, 0), 5);
  EXPECT_EQ(broker.fault(OpenFile{"new", kOpenWrite | kOpenCreate | kOpenExclusive, 0640}), BrokerFault::exists);
  const auto more = open("new", kOpenAppend);
  EXPECT_EQ(::pwrite(more.descriptors[0].get(), "67", 2, 0), 2);
  EXPECT_EQ(folder.read("new"), "1234567");
  EXPECT_EQ(std::get<FileOpened>(open("new", kOpenWrite | kOpenTruncate).answer).attributes.size, 0u);
  for (const uint32_t flags : {uint32_t{0}, uint32_t{kOpenCreate}, kOpenRead | kOpenTruncate,
                               kOpenWrite | kOpenExclusive, uint32_t{1u << 20} | kOpenRead}) {
    EXPECT_EQ(broker.fault(OpenFile{"new", flags, 0}), BrokerFault::invalid) << flags;
  }
}

TEST_F(BrokerFiles, gives_no_directory_away_and_waits_for_no_fifo) {
  ASSERT_EQ(::mkdir((folder / "d").c_str(), 0755), 0);
  EXPECT_EQ(broker.fault(OpenFile{"d", kOpenRead, 0}), BrokerFault::is_directory);
  ASSERT_EQ(::mkfifo((folder / "f").c_str(), 0644), 0);
  EXPECT_EQ(broker.fault(OpenFile{"f", kOpenWrite, 0}), BrokerFault::not_found);
  const auto reading = open("f", kOpenRead);
  EXPECT_NE(::fcntl(reading.descriptors[0].get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST_F(BrokerFiles, tells_why_something_failed) {
  EXPECT_EQ(broker.fault(OpenFile{"none", kOpenRead, 0}), BrokerFault::not_found);
  folder.write("a", "");
  EXPECT_EQ(broker.fault(StatPath{"a/b"}), BrokerFault::not_directory);
  EXPECT_EQ(broker.fault(StatPath{std::string(300, 'x')}), BrokerFault::name_too_long);
  ASSERT_EQ(::symlink("loop", (folder / "loop").c_str()), 0);
  EXPECT_EQ(broker.fault(OpenFile{"loop", kOpenRead, 0}), BrokerFault::loop);
  EXPECT_EQ(broker.fault(OpenFile{std::string("a\0b", 3), kOpenRead, 0}), BrokerFault::invalid);
  EXPECT_EQ(broker.fault(OpenFile{std::string(70000, 'x'), kOpenRead, 0}), BrokerFault::invalid);
  // The link lives on.
  broker.expect<Attributes>(StatPath{"a"});
}

TEST_F(BrokerFiles, takes_names_that_are_no_text) {
  const std::string name = "\xff\xfe \n\x01";
  open(name, kOpenWrite | kOpenCreate);
  EXPECT_TRUE(folder.has(name));
  broker.expect<Done>(RemoveFile{name});
  EXPECT_FALSE(folder.has(name));
}

TEST_F(BrokerFiles, changes_size_mode_and_times_by_path_and_by_handle) {
  folder.write("a", "12345");
  const FileTimes times{{1000000000, 123456789}, {-5, 999999999}};
  AttributeChange change;
  change.size = 3;
  change.mode = 04711;
  change.times = times;
  const auto check = [&] {
    const FileAttributes now = broker.expect<Attributes>(StatPath{"a"}).attributes;
    EXPECT_EQ(now.size, 3u);
    EXPECT_EQ(now.mode & 07777, 04711u);
    EXPECT_EQ(now.accessed, times.accessed);
    EXPECT_EQ(now.modified, times.modified);
  };
  broker.expect<Done>(ChangePath{"a", true, change});
  check();
  folder.write("a", "12345");
  broker.expect<Done>(ChangeHandle{handle(open("a", kOpenRead | kOpenWrite)), change});
  check();
  change.times->modified.nanoseconds = 1000000000;
  EXPECT_EQ(broker.fault(ChangePath{"a", true, change}), BrokerFault::invalid);
}

TEST_F(BrokerFiles, changes_a_link_and_not_what_it_points_at) {
  folder.write("a", "12345");
  broker.expect<Done>(MakeSymlink{"a", "l"});
  AttributeChange change;
  change.times = FileTimes{{7, 0}, {8, 0}};
  broker.expect<Done>(ChangePath{"l", false, change});
  EXPECT_EQ(broker.expect<Attributes>(StatPath{"l", false}).attributes.modified.seconds, 8);
  EXPECT_NE(broker.expect<Attributes>(StatPath{"l", true}).attributes.modified.seconds, 8);
  change.size = 1;
  EXPECT_EQ(broker.fault(ChangePath{"l", false, change}), BrokerFault::invalid);
  EXPECT_EQ(broker.expect<PathFound>(ReadSymlink{"l"}).path, "a");
}

TEST_F(BrokerFiles, renames_without_overwriting_and_replaces_when_told_to) {
  folder.write("a", "a");
  folder.write("b", "b");
  EXPECT_EQ(broker.fault(RenameFile{"a", "b"}), BrokerFault::exists);
  broker.expect<Done>(RenameFile{"a", "c"});
  EXPECT_EQ(folder.read("c"), "a");
  EXPECT_FALSE(folder.has("a"));
  broker.expect<Done>(ReplaceFile{"c", "b"});
  EXPECT_EQ(folder.read("b"), "a");
  broker.expect<Done>(MakeDirectory{"d", 0755});
  broker.expect<Done>(RenameFile{"d", "e"});
  EXPECT_EQ(broker.fault(RenameFile{"gone", "x"}), BrokerFault::not_found);
}

TEST_F(BrokerFiles, makes_and_removes_folders_files_and_links) {
  broker.expect<Done>(MakeDirectory{"d", 0750});
  EXPECT_EQ(broker.fault(MakeDirectory{"d", 0750}), BrokerFault::exists);
  folder.write("d/x", "x");
  EXPECT_EQ(broker.fault(RemoveDirectory{"d"}), BrokerFault::exists);
  EXPECT_EQ(broker.fault(RemoveFile{"d"}), BrokerFault::is_directory);
  broker.expect<Done>(MakeHardlink{"d/x", "y"});
  EXPECT_EQ(broker.expect<Attributes>(StatPath{"y"}).attributes.links, 2u);
  broker.expect<Done>(RemoveFile{"d/x"});
  broker.expect<Done>(RemoveDirectory{"d"});
  EXPECT_EQ(folder.read("y"), "x");
}

TEST_F(BrokerFiles, resolves_paths_whose_last_part_need_not_exist) {
  const std::string root = std::filesystem::canonical(folder.path());
  broker.expect<Done>(MakeDirectory{"d", 0755});
  broker.expect<Done>(MakeSymlink{"d", "l"});
  EXPECT_EQ(broker.expect<PathFound>(ResolvePath{"."}).path, root);
  EXPECT_EQ(broker.expect<PathFound>(ResolvePath{""}).path, root);
  EXPECT_EQ(broker.expect<PathFound>(ResolvePath{"./l/../l/new"}).path, root + "/d/new");
  EXPECT_EQ(broker.expect<PathFound>(ResolvePath{"/.."}).path, "/");
  EXPECT_EQ(broker.expect<PathFound>(ResolvePath{"/no-such-thing-here"}).path, "/no-such-thing-here");
  EXPECT_EQ(broker.fault(ResolvePath{"no/such"}), BrokerFault::not_found);
  EXPECT_EQ(broker.expect<PathFound>(ExpandPath{"~/d"}).path, root + "/d");
  EXPECT_EQ(broker.expect<PathFound>(ExpandPath{"~root"}).path, "/root");
  EXPECT_EQ(broker.fault(ExpandPath{"~no-such-user/x"}), BrokerFault::not_found);
  EXPECT_EQ(broker.expect<PathFound>(FindHome{""}).path, folder.path());
  EXPECT_EQ(broker.expect<PathFound>(FindHome{"root"}).path, "/root");
}

TEST_F(BrokerFiles, tells_about_file_systems_and_names_of_numbers) {
  folder.write("a", "");
  EXPECT_GT(broker.expect<Filesystem>(StatFilesystem{"."}).facts.blocks, 0u);
  EXPECT_GT(broker.expect<Filesystem>(StatFilesystemOf{handle(open("a", kOpenRead))}).facts.longest_name, 0u);
  const auto names = broker.expect<Names>(NameIds{{0, 4000000000}, {0}});
  EXPECT_EQ(names.users, (std::vector<std::string>{"root", ""}));
  EXPECT_EQ(names.groups, (std::vector<std::string>{"root"}));
}

TEST_F(BrokerFiles, tells_a_large_folder_in_bounded_batches) {
  constexpr size_t kFiles = 5000;
  for (size_t i = 0; i < kFiles; ++i) folder.write("a-file-of-some-length-" + std::to_string(i), "");
  const uint32_t listing = broker.expect<DirectoryOpened>(OpenDirectory{"."}).handle;
  std::set<std::string> names;
  size_t batches = 0;
  for (bool last = false; !last; ++batches) {
    auto batch = broker.expect<Entries>(ReadDirectory{listing, 1000});
    last = batch.last;
    ASSERT_TRUE(last || !batch.entries.empty());
    for (const auto& entry : batch.entries) {
      EXPECT_TRUE(names.insert(entry.name).second) << entry.name;
      EXPECT_FALSE(entry.owner.empty());
    }
  }
  EXPECT_EQ(names.size(), kFiles + 2);
  EXPECT_GT(batches, 5u);
  EXPECT_TRUE(broker.expect<Entries>(ReadDirectory{listing, 1}).last);
  EXPECT_EQ(broker.fault(SyncFile{listing}), BrokerFault::bad_handle);
  broker.expect<Attributes>(StatHandle{listing});
}

TEST_F(BrokerFiles, copies_ranges_between_files_and_within_one) {
  std::string content;
  for (int i = 0; i < 3000000; ++i) content += static_cast<char>(i * 7);
  folder.write("a", content);
  const auto from = open("a", kOpenRead | kOpenWrite), to = open("b", kOpenRead | kOpenWrite | kOpenCreate);
  broker.expect<Done>(CopyData{handle(from), 0, 0, handle(to), 0});
  EXPECT_TRUE(folder.read("b") == content);
  broker.expect<Done>(CopyData{handle(from), 1000, 50, handle(to), 3000000});
  EXPECT_EQ(folder.read("b").substr(3000000), content.substr(1000, 50));
  broker.expect<Done>(CopyData{handle(from), 0, 10, handle(from), 20});
  EXPECT_EQ(folder.read("a").substr(20, 10), content.substr(0, 10));
  EXPECT_EQ(broker.fault(CopyData{handle(from), 0, 10, handle(from), 5}), BrokerFault::invalid);
  EXPECT_EQ(broker.fault(CopyData{handle(from), 0, 0, 99, 0}), BrokerFault::bad_handle);
  EXPECT_EQ(broker.fault(CopyData{handle(from), 0, 0, handle(to), UINT64_MAX}), BrokerFault::no_space);
  // What lies beyond the end is nothing.
  broker.expect<Done>(CopyData{handle(from), UINT64_MAX, 5, handle(to), 0});
  broker.expect<Done>(SyncFile{handle(to)});
}

TEST_F(BrokerFiles, a_file_that_was_emptied_to_be_copied_onto_itself_is_not_called_copied) {
  folder.write("a", "content");
  const auto from = open("a", kOpenRead), to = open("a", kOpenWrite | kOpenCreate | kOpenTruncate);
  EXPECT_EQ(broker.fault(CopyData{handle(from), 0, 0, handle(to), 0}), BrokerFault::invalid);
}

TEST_F(BrokerFiles, hashes_ranges_in_blocks_with_the_first_hash_that_it_knows) {
  folder.write("a", std::string(1000, 'x'));
  const uint32_t file = handle(open("a", kOpenRead));
  const auto whole = broker.expect<Hashes>(CheckFile{file, "nothing,sha256,md5", 0, 0, 0});
  EXPECT_EQ(whole.algorithm, "sha256");
  EXPECT_EQ(whole.hashes.size(), 16u);
  const auto blocks = broker.expect<Hashes>(CheckFile{file, "md5", 0, 0, 256});
  ASSERT_EQ(blocks.hashes.size(), 4u * 16);
  EXPECT_TRUE(std::equal(blocks.hashes.begin(), blocks.hashes.begin() + 16, blocks.hashes.begin() + 16));
  EXPECT_FALSE(std::equal(blocks.hashes.begin(), blocks.hashes.begin() + 16, blocks.hashes.begin() + 48));
  const auto part = broker.expect<Hashes>(CheckFile{file, "md5", 100, 256, 0});
  EXPECT_TRUE(std::equal(part.hashes.begin(), part.hashes.end(), blocks.hashes.begin()));
  EXPECT_EQ(broker.fault(CheckFile{file, "sha3", 0, 0, 0}), BrokerFault::unsupported);
  EXPECT_EQ(broker.fault(CheckFile{file, "md5", 0, 0, 255}), BrokerFault::invalid);
  ASSERT_EQ(::truncate((folder / "a").c_str(), off_t{1} << 40), 0);
  EXPECT_EQ(broker.fault(CheckFile{file, "md5", 0, 0, 256}), BrokerFault::invalid);
}

}  // namespace
}  // namespace sluice
