// Every request of SFTP, in memory and on a disk, cut in every way.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>

#include "tests/unit/sftp/sftp_world.h"

namespace sluice {
namespace {

using test::SftpAnswer;
using test::SftpWorld;
using test::TempFolder;

std::string text_in(const SftpAnswer& answer) {
  WireReader reader = answer.reader();
  const Bytes data = reader.string();
  return {data.begin(), data.end()};
}

std::string name_in(const SftpAnswer& answer) {
  if (answer.type != SftpType::name) return "not a name";
  WireReader reader = answer.reader();
  reader.u32();
  return std::string(reader.text());
}

uint64_t size_in(const SftpAnswer& answer) {
  EXPECT_EQ(answer.type, SftpType::attrs);
  WireReader reader = answer.reader();
  reader.u32();
  return reader.u64();
}

std::vector<uint8_t> path_of(const std::string& path) { return WireWriter().string(path).take(); }
std::vector<uint8_t> paths_of(const std::string& a, const std::string& b) {
  return WireWriter().string(a).string(b).take();
}

// The parameter: how the input is cut; 0: not at all.
class SftpRequestsCut : public testing::TestWithParam<size_t> {
 protected:
  SftpRequestsCut() : world(folder.path()) {
    world.cut = GetParam();
    world.init();
  }

  TempFolder folder;
  SftpWorld world;
};

INSTANTIATE_TEST_SUITE_P(, SftpRequestsCut, testing::Values(0, 1, 3, 17, 1000));

TEST_P(SftpRequestsCut, reads_what_it_wrote_and_tells_the_end) {
  const auto handle = world.open("a", kSftpRead | kSftpWrite | kSftpCreate);
  std::string text(70000, 'x');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 23);
  EXPECT_EQ(world.write(handle, 0, bytes_of(text)), SftpStatus::ok);
  EXPECT_EQ(text_in(world.read(handle, 0, 70000)), text);
  EXPECT_EQ(text_in(world.read(handle, 69990, 100)), text.substr(69990));
  EXPECT_EQ(world.read(handle, 70000, 100).status(), SftpStatus::eof);
  EXPECT_EQ(world.read(handle, 70001, 100).status(), SftpStatus::eof);
  EXPECT_EQ(world.close(handle), SftpStatus::ok);
  EXPECT_EQ(world.close(handle), SftpStatus::failure);
  EXPECT_EQ(world.read(handle, 0, 1).status(), SftpStatus::failure);
  EXPECT_EQ(folder.read("a"), text);
}

TEST_P(SftpRequestsCut, tells_and_changes_attributes) {
  folder.write("a", "hello");
  ASSERT_EQ(::symlink("a", (folder / "l").c_str()), 0);
  EXPECT_EQ(size_in(world.ask(SftpType::stat, path_of("a"))), 5u);
  EXPECT_EQ(size_in(world.ask(SftpType::lstat, path_of("l"))), 1u);
  EXPECT_EQ(size_in(world.ask(SftpType::stat, path_of("l"))), 5u);
  EXPECT_EQ(world.ask(SftpType::stat, path_of("none")).status(), SftpStatus::no_such_file);
  const auto change =
      WireWriter().string("a").u32(kAttributeSize | kAttributeMode | kAttributeTimes).u64(3).u32(0100640);
  EXPECT_EQ(world.ask(SftpType::setstat, WireWriter(change).u32(100).u32(200).view()).status(), SftpStatus::ok);
  struct stat facts;
  ASSERT_EQ(::stat((folder / "a").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_size, 3);
  EXPECT_EQ(facts.st_mode & 07777u, 0640u);
  EXPECT_EQ(facts.st_mtim.tv_sec, 200);
  const auto handle = world.open("a", kSftpWrite);
  EXPECT_EQ(size_in(world.ask(SftpType::fstat, WireWriter().string(Bytes(handle)).view())), 3u);
  EXPECT_EQ(
      world.ask(SftpType::fsetstat, WireWriter().string(Bytes(handle)).u32(kAttributeSize).u64(9).view()).status(),
      SftpStatus::ok);
  EXPECT_EQ(size_in(world.ask(SftpType::fstat, WireWriter().string(Bytes(handle)).view())), 9u);
  EXPECT_EQ(world.ask(SftpType::setstat, WireWriter().string("a").u32(kAttributeSize).u8(1).view()).status(),
            SftpStatus::bad_message);
}

TEST_P(SftpRequestsCut, does_what_is_asked_with_names) {
  folder.write("a", "1");
  EXPECT_EQ(world.ask(SftpType::mkdir, WireWriter().string("d").u32(0).view()).status(), SftpStatus::ok);
  EXPECT_EQ(world.ask(SftpType::mkdir, WireWriter().string("d").u32(0).view()).status(), SftpStatus::failure);
  EXPECT_EQ(world.ask(SftpType::rename, paths_of("a", "d/b")).status(), SftpStatus::ok);
  EXPECT_EQ(folder.read("d/b"), "1");
  folder.write("c", "2");
  EXPECT_EQ(world.ask(SftpType::rename, paths_of("c", "d/b")).status(), SftpStatus::failure);
  EXPECT_EQ(world.extended("posix-rename@openssh.com", paths_of("c", "d/b")).status(), SftpStatus::ok);
  EXPECT_EQ(folder.read("d/b"), "2");
  // The target first.
  EXPECT_EQ(world.ask(SftpType::symlink, paths_of("d/b", "s")).status(), SftpStatus::ok);
  EXPECT_EQ(name_in(world.ask(SftpType::readlink, path_of("s"))), "d/b");
  EXPECT_EQ(world.extended("hardlink@openssh.com", paths_of("d/b", "h")).status(), SftpStatus::ok);
  EXPECT_EQ(folder.read("h"), "2");
  EXPECT_EQ(world.ask(SftpType::rmdir, path_of("d")).status(), SftpStatus::failure);
  EXPECT_EQ(world.ask(SftpType::remove, path_of("d/b")).status(), SftpStatus::ok);
  EXPECT_EQ(world.ask(SftpType::rmdir, path_of("d")).status(), SftpStatus::ok);
  EXPECT_EQ(world.ask(SftpType::remove, path_of("d")).status(), SftpStatus::no_such_file);
  EXPECT_EQ(name_in(world.ask(SftpType::realpath, path_of("."))), folder.path());
  EXPECT_EQ(name_in(world.ask(SftpType::realpath, path_of("new"))), folder / "new");
  EXPECT_EQ(name_in(world.extended("expand-path@openssh.com", path_of("~/x"))), folder / "x");
  EXPECT_EQ(name_in(world.extended("home-directory", path_of(""))), folder.path());
  EXPECT_EQ(world.extended("lsetstat@openssh.com", WireWriter().string("s").u32(kAttributeTimes).u32(5).u32(6).view())
                .status(),
            SftpStatus::ok);
  struct stat facts;
  ASSERT_EQ(::lstat((folder / "s").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mtim.tv_sec, 6);
}

TEST_P(SftpRequestsCut, answers_the_extensions_about_files) {
  const auto from = world.open("from", kSftpRead | kSftpWrite | kSftpCreate);
  const auto to = world.open("to", kSftpRead | kSftpWrite | kSftpCreate);
  EXPECT_EQ(world.write(from, 0, bytes_of("0123456789")), SftpStatus::ok);
  const auto copy = WireWriter().string(Bytes(from)).u64(2).u64(5).string(Bytes(to)).u64(1).take();
  EXPECT_EQ(world.extended("copy-data", copy).status(), SftpStatus::ok);
  EXPECT_EQ(text_in(world.read(to, 0, 100)), std::string("\0", 1) + "23456");
  EXPECT_EQ(world.extended("fsync@openssh.com", WireWriter().string(Bytes(to)).view()).status(), SftpStatus::ok);
  for (const auto& answer : {world.extended("statvfs@openssh.com", path_of(".")),
                             world.extended("fstatvfs@openssh.com", WireWriter().string(Bytes(to)).view())}) {
    EXPECT_EQ(answer.type, SftpType::extended_reply);
    EXPECT_EQ(answer.body.size(), 11 * 8u);
    EXPECT_GT(answer.reader().u64(), 0u);
  }
  const auto limits = world.extended("limits@openssh.com", {});
  WireReader numbers = limits.reader();
  EXPECT_EQ(numbers.u64(), kMaxSftpPacket);
  EXPECT_EQ(numbers.u64(), kMaxSftpData);
  EXPECT_EQ(numbers.u64(), kMaxSftpData);
  EXPECT_EQ(numbers.u64(), 256u);
  const auto uid = WireWriter().u32(0).u32(4000000000u).take();
  const auto ids = world.extended("users-groups-by-id@openssh.com", WireWriter().string(uid).string(uid).view());
  WireReader lists = ids.reader();
  WireReader users(lists.string());
  EXPECT_EQ(users.text(), "root");
  EXPECT_EQ(users.text(), "");
  EXPECT_TRUE(users.at_end() && users.ok());
  EXPECT_EQ(world.extended("nobody@example.com", {}).status(), SftpStatus::op_unsupported);
  EXPECT_EQ(world.ask(static_cast<SftpType>(77), {}).status(), SftpStatus::op_unsupported);
}

TEST_P(SftpRequestsCut, hashes_by_handle_and_by_name_alike) {
  folder.write("a", std::string(5000, 'q'));
  const auto handle = world.open("a", kSftpRead);
  const auto rest = WireWriter().string("none,sha256").u64(0).u64(0).u32(1024).take();
  const auto by_handle = world.extended("check-file-handle", WireWriter().string(Bytes(handle)).raw(rest).view());
  const auto by_name = world.extended("check-file-name", WireWriter().string("a").raw(rest).view());
  ASSERT_EQ(by_handle.type, SftpType::extended_reply);
  EXPECT_EQ(by_handle.body, by_name.body);
  WireReader reader = by_handle.reader();
  EXPECT_EQ(reader.text(), "check-file");
  EXPECT_EQ(reader.text(), "sha256");
  EXPECT_EQ(reader.rest().size(), 5 * 16u);
  const auto unknown = WireWriter().string("a").string("none").u64(0).u64(0).u32(0).take();
  EXPECT_EQ(world.extended("check-file-name", unknown).status(), SftpStatus::op_unsupported);
}

TEST_P(SftpRequestsCut, lists_directories_in_packets_that_small_clients_take) {
  std::set<std::string> expected{".", ".."};
  for (int i = 0; i < 700; ++i) {
    const std::string name = "file-" + std::string(40, 'n') + std::to_string(i);
    expected.insert(name);
    folder.write(name, "");
  }
  const auto opened = world.ask(SftpType::opendir, path_of("."));
  WireReader handle_reader = opened.reader();
  const Bytes handle = handle_reader.string();
  std::set<std::string> found;
  size_t batches = 0;
  for (;; ++batches) {
    const auto answer = world.ask(SftpType::readdir, WireWriter().string(handle).view());
    if (answer.type == SftpType::status) {
      EXPECT_EQ(answer.status(), SftpStatus::eof);
      break;
    }
    ASSERT_EQ(answer.type, SftpType::name);
    EXPECT_LT(answer.body.size(), 34000u);
    WireReader reader = answer.reader();
    for (uint32_t left = reader.u32(); left > 0 && reader.ok(); --left) {
      const std::string name(reader.text());
      const std::string line(reader.text());
      EXPECT_TRUE(line.ends_with(" " + name)) << line;
      EXPECT_TRUE(line.starts_with(name.starts_with('.') ? "drwx" : "-rw-")) << line;
      EXPECT_NE(line.find("root"), std::string::npos) << line;
      EXPECT_EQ(reader.u32(), 15u);
      reader.raw(28);
      EXPECT_TRUE(found.insert(name).second) << name;
    }
    EXPECT_TRUE(reader.ok() && reader.at_end());
  }
  EXPECT_EQ(found, expected);
  EXPECT_GT(batches, 1u);
  EXPECT_EQ(world.close(handle), SftpStatus::ok);
}

TEST_P(SftpRequestsCut, keeps_names_that_are_no_text) {
  const std::string name("\xff\x80\n\x01", 4);
  const auto handle = world.open(name, kSftpWrite | kSftpCreate);
  EXPECT_EQ(world.close(handle), SftpStatus::ok);
  EXPECT_TRUE(folder.has(name));
  const auto lines = world.log_lines();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find("\"\\xff\\x80\\x0a\\x01\""), std::string::npos) << lines[0];
  EXPECT_EQ(world.ask(SftpType::stat, path_of(std::string("a\0b", 3))).status(), SftpStatus::bad_message);
}

TEST_P(SftpRequestsCut, opens_as_the_flags_say) {
  EXPECT_EQ(world.ask(SftpType::open, WireWriter().string("x").u32(kSftpRead).u32(0).view()).status(),
            SftpStatus::no_such_file);
  const auto made = world.open("x", kSftpWrite | kSftpCreate | kSftpExclusive);
  EXPECT_EQ(world.write(made, 0, bytes_of("12345")), SftpStatus::ok);
  EXPECT_EQ(world.read(made, 0, 3).status(), SftpStatus::permission_denied);
  const auto exclusive = WireWriter().string("x").u32(kSftpWrite | kSftpCreate | kSftpExclusive).u32(0).take();
  EXPECT_EQ(world.ask(SftpType::open, exclusive).status(), SftpStatus::failure);
  const auto append = world.open("x", kSftpAppend | kSftpWrite);
  EXPECT_EQ(world.write(append, 0, bytes_of("67")), SftpStatus::ok);
  EXPECT_EQ(folder.read("x"), "1234567");
  const auto truncated = world.open("x", kSftpRead | kSftpWrite | kSftpTruncate);
  EXPECT_EQ(world.read(truncated, 0, 10).status(), SftpStatus::eof);
  const auto reader = world.open("x", kSftpRead);
  EXPECT_EQ(world.write(reader, 0, bytes_of("no")), SftpStatus::permission_denied);
  EXPECT_EQ(world.ask(SftpType::open, WireWriter().string(".").u32(kSftpRead).u32(0).view()).status(),
            SftpStatus::failure);
  EXPECT_EQ(world.ask(SftpType::open, WireWriter().string("x").u32(64).u32(0).view()).status(),
            SftpStatus::bad_message);
}

}  // namespace
}  // namespace sluice
