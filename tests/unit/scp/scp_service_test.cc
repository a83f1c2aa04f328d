// Both sides of scp against a real broker and a scripted client, in pieces of any size.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <random>

#include "base/clock.h"
#include "services/scp/scp_service.h"
#include "tests/support/service_world.h"

namespace sluice {
namespace {

using test::ServiceWorld;

std::string numbered(std::string name, int i) { return name.append(std::to_string(i)); }

class Scp : public testing::Test {
 protected:
  void start(std::string_view command) {
    auto service = make_scp_service(world.connection(), command);
    ASSERT_TRUE(service) << command;
    world.attach(std::move(service));
  }
  // What the service says next: one byte, or a line.
  std::string hear() {
    const bool said = world.turn_until([&] { return complete() || world.channel.closed; });
    if (!said || !complete()) return "(closed)";
    const std::string all = world.sent();
    const size_t n = all[heard] == '\0' ? 1 : all.find('\n', heard) + 1 - heard;
    heard += n;
    return all.substr(heard - n, n);
  }
  bool complete() const {
    const std::string all = world.sent();
    return all.size() > heard && (all[heard] == '\0' || all.find('\n', heard) != std::string::npos);
  }
  std::string hear_data(size_t n) {
    if (!world.turn_until([&] { return world.sent().size() >= heard + n; })) return "(no data)";
    heard += n;
    return world.sent().substr(heard - n, n);
  }
  void ok() { world.send(std::string_view("\0", 1)); }
  // Told and accepted.
  void tell(const std::string& line) {
    world.send(line + "\n");
    ASSERT_EQ(hear(), kOk) << line;
  }
  void put(const std::string& line, std::string_view data) {
    tell(line);
    world.send(data);
    ok();
    ASSERT_EQ(hear(), kOk) << line;
  }
  // Its status; 99: none.
  uint32_t end() {
    EXPECT_TRUE(world.turn_until([&] { return world.channel.closed; }));
    for (const auto& request : world.channel.requests)
      if (request.name == "exit-status") return load_be32(request.extra.data());
    return 99;
  }
  uint32_t end_of_input() {
    world.service->on_eof();
    return end();
  }
  struct stat facts(const std::string& name) {
    struct stat out {};
    EXPECT_EQ(::lstat((world.folder / name).c_str(), &out), 0) << name;
    return out;
  }

  const std::string kOk = std::string(1, '\0');
  ServiceWorld world;
  size_t heard = 0;
};

TEST_F(Scp, sink_writes_a_file) {
  start("scp -t name");
  EXPECT_EQ(hear(), kOk);
  put("C0640 5 ignored", "hello");
  EXPECT_EQ(end_of_input(), 0u);
  EXPECT_EQ(world.folder.read("name"), "hello");
  EXPECT_EQ(facts("name").st_mode & 07777u, 0640u & ~022u);
  EXPECT_NE(world.log.find("put \"name\" written 5"), std::string::npos);
}

TEST_F(Scp, sink_writes_into_a_folder_and_cuts_what_was_longer) {
  ASSERT_EQ(::mkdir((world.folder / "d").c_str(), 0755), 0);
  world.folder.write("d/a", "longer than before");
  start("scp -d -t d");
  EXPECT_EQ(hear(), kOk);
  put("C0644 3 a", "new");
  put("C0444 0 empty", "");
  EXPECT_EQ(end_of_input(), 0u);
  EXPECT_EQ(world.folder.read("d/a"), "new");
  EXPECT_EQ(facts("d/empty").st_mode & 07777u, 0444u);
}

TEST_F(Scp, sink_fills_folders_and_keeps_modes_and_times) {
  start("scp -r -p -t tree");
  EXPECT_EQ(hear(), kOk);
  tell("T1000000000 0 1100000000 0");
  tell("D0500 0 tree");
  tell("T1200000000 500000 1300000000 0");
  put("C0604 4 file", "data");
  tell("D0755 0 inner");
  put("C0777 1 x", "x");
  tell("E");
  tell("E");
  EXPECT_EQ(end_of_input(), 0u);
  EXPECT_EQ(world.folder.read("tree/inner/x"), "x");
  EXPECT_EQ(facts("tree/inner/x").st_mode & 07777u, 0777u);
  EXPECT_EQ(facts("tree").st_mode & 07777u, 0500u);
  EXPECT_EQ(facts("tree").st_mtim.tv_sec, 1000000000);
  EXPECT_EQ(facts("tree/file").st_mode & 07777u, 0604u);
  EXPECT_EQ(facts("tree/file").st_mtim.tv_sec, 1200000000);
  EXPECT_EQ(facts("tree/file").st_mtim.tv_nsec, 500000000);
  EXPECT_EQ(facts("tree/file").st_atim.tv_sec, 1300000000);
}

TEST_F(Scp, sink_goes_on_after_what_it_cannot_make) {
  ASSERT_EQ(::mkdir((world.folder / "d").c_str(), 0755), 0);
  ASSERT_EQ(::mkdir((world.folder / "d/taken").c_str(), 0755), 0);
  world.folder.write("d/file", "");
  start("scp -r -t d");
  EXPECT_EQ(hear(), kOk);
  world.send("C0644 3 taken\n");
  EXPECT_EQ(hear(), "\1scp: d/taken: Is a directory\n");
  world.send("D0755 0 file\n");
  EXPECT_EQ(hear(), "\1scp: d/file: Not a directory\n");
  world.send("C0644 3 with\x1b[31mcolour\n");
  EXPECT_NE(hear().find("invalid filename"), std::string::npos);
  put("C0644 3 good", "abc");
  EXPECT_EQ(end_of_input(), 1u);
  EXPECT_EQ(world.folder.read("d/good"), "abc");
}

TEST_F(Scp, sink_ends_where_a_name_leads_elsewhere) {
  for (const char* line : {"C0644 1 ../x\n", "C0644 1 ..\n", "C0644 1 /tmp/x\n", "D0755 0 ..\n", "D0755 0 .\n",
                           "C0644 1 \n", "\n", "hello\n", "D0755 0 not-recursive\n", "C0999 1 a\n"}) {
    ServiceWorld other;
    other.attach(make_scp_service(other.connection(), "scp -t ."));
    ASSERT_TRUE(other.turn_until([&] { return !other.channel.data.empty(); }));
    other.send(line);
    ASSERT_TRUE(other.turn_until([&] { return other.channel.closed; })) << line;
    EXPECT_EQ(other.sent().substr(1, 6), "\1scp: ") << line;
    EXPECT_EQ(other.sent().back(), '\n');
  }
  EXPECT_FALSE(world.folder.has("x"));
}

TEST_F(Scp, sink_follows_no_link_out_of_a_new_name_and_says_whose_folder_is_missing) {
  start("scp -d -t missing");
  EXPECT_EQ(hear(), "\1scp: missing: No such file or directory\n");
  EXPECT_EQ(end(), 1u);
}

TEST_F(Scp, sink_stays_in_step_when_the_disk_is_full) {
  start("scp -t /dev/full");
  EXPECT_EQ(hear(), kOk);
  tell("C0644 100000 full");
  for (int i = 0; i < 10; ++i) world.send(std::string(10000, 'x'));
  ok();
  EXPECT_EQ(hear(), "\1scp: /dev/full: No space left on device\n");
  world.send("C0644 1 full\n");
  EXPECT_EQ(hear(), kOk);
  EXPECT_EQ(world.channel.consumed_bytes, std::string("C0644 100000 full\n").size() + 100001 + 13);
  EXPECT_EQ(end_of_input(), 1u);
}

TEST_F(Scp, sink_takes_a_senders_faults_as_scp_does) {
  ASSERT_EQ(::mkdir((world.folder / "d").c_str(), 0755), 0);
  start("scp -t d");
  EXPECT_EQ(hear(), kOk);
  world.send("\1scp: lost: No such file\n");
  tell("C0644 4 short");
  world.send("ab");
  world.send(std::string("\0\0", 2));
  world.send("\1scp: short: read error\n");
  EXPECT_EQ(hear(), kOk);
  world.send("\2fatal\n");
  EXPECT_EQ(end(), 1u);
  EXPECT_EQ(world.folder.read("d/short").size(), 4u);
}

TEST_F(Scp, sink_tells_when_the_sender_goes_in_the_middle) {
  start("scp -t name");
  EXPECT_EQ(hear(), kOk);
  tell("C0644 100 name");
  world.send("some");
  EXPECT_EQ(end_of_input(), 1u);
  EXPECT_EQ(hear(), "\1scp: dropped connection\n");
  EXPECT_EQ(world.folder.read("name"), "some");
}

TEST_F(Scp, sink_takes_lines_and_data_in_any_pieces) {
  // A sender that does not wait for answers: all of it at once, cut at random.
  std::mt19937 random(42);
  std::string script, content(70000, '\0');
  for (char& c : content) c = static_cast<char>(random());
  script += "D0755 0 top\n";
  for (int i = 0; i < 20; ++i) {
    script.append("C0644 ").append(std::to_string(content.size() - static_cast<size_t>(i))).append(" f");
    script.append(std::to_string(i)).append("\n").append(content, static_cast<size_t>(i)).append(kOk);
  }
  script += "E\n";
  for (const size_t most : {size_t{1}, size_t{7}, size_t{5000}, size_t{300000}}) {
    ServiceWorld other;
    other.attach(make_scp_service(other.connection(), "scp -r -t ."));
    std::string_view rest = script;
    // One byte at a time takes long: the first lines are enough.
    if (most == 1) rest = rest.substr(0, 150000);
    const size_t all = rest.size();
    while (!rest.empty()) {
      const size_t n = std::min(rest.size(), 1 + random() % most);
      other.send(rest.substr(0, n));
      rest.remove_prefix(n);
      if (random() % 64 == 0) other.turn();
    }
    ASSERT_TRUE(other.turn_until([&] { return other.channel.consumed_bytes == all; })) << most;
    EXPECT_EQ(other.folder.read("top/f1"), content.substr(1)) << most;
    EXPECT_EQ(other.folder.read("top/f19"), most > 1 ? content.substr(19) : "") << most;
    EXPECT_EQ(other.sent().find('\1'), std::string::npos) << other.sent();
  }
}

TEST_F(Scp, source_sends_files_with_times) {
  world.folder.write("a b", "content");
  const timespec times[2] = {{1000, 0}, {2000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (world.folder / "a b").c_str(), times, 0), 0);
  ASSERT_EQ(::chmod((world.folder / "a b").c_str(), 0751), 0);
  start("scp -p -f 'a b'");
  ok();
  EXPECT_EQ(hear(), "T2000 0 1000 0\n");
  ok();
  EXPECT_EQ(hear(), "C0751 7 a b\n");
  ok();
  EXPECT_EQ(hear_data(7), "content");
  EXPECT_EQ(hear(), kOk);
  ok();
  EXPECT_EQ(end(), 0u);
}

TEST_F(Scp, source_expands_patterns_and_the_home_folder) {
  for (const char* name : {"b.txt", "a.txt", ".hidden.txt", "c.dat", "ab*.txt"}) world.folder.write(name, "");
  for (const char* name : {"d1", "d2"}) ASSERT_EQ(::mkdir((world.folder / name).c_str(), 0755), 0);
  world.folder.write("d2/in", "");
  start("scp -f ~/?.txt d*/in 'no*'");
  ok();
  for (const char* line : {"C0644 0 a.txt\n", "C0644 0 b.txt\n", "C0644 0 in\n"}) {
    EXPECT_EQ(hear(), line);
    ok();
    EXPECT_EQ(hear(), kOk);
    ok();
  }
  EXPECT_EQ(hear(), "\1scp: no*: No such file or directory\n");
  EXPECT_EQ(end(), 1u);
}

TEST_F(Scp, source_sends_a_tree_and_goes_on_after_what_it_cannot_send) {
  ASSERT_EQ(::mkdir((world.folder / "t").c_str(), 0755), 0);
  ASSERT_EQ(::mkdir((world.folder / "t/inner").c_str(), 0711), 0);
  for (int i = 0; i < 30; ++i) world.folder.write(numbered("t/inner/f", i), std::string(size_t(i), 'x'));
  ASSERT_EQ(::mkfifo((world.folder / "t/fifo").c_str(), 0600), 0);
  ASSERT_EQ(::symlink("nowhere", (world.folder / "t/broken").c_str()), 0);
  world.folder.write("t/line\nC0644 1 evil", "");
  start("scp -r -f t/ .");
  ok();
  EXPECT_EQ(hear(), "D0755 0 t\n");
  ok();
  std::set<std::string> names;
  int depth = 1, errors = 0;
  while (depth > 0) {
    const std::string said = hear();
    if (said[0] == '\1') {
      ++errors;
      continue;
    }
    if (said == "E\n") --depth;
    if (said[0] == 'D') ++depth;
    ok();
    if (said[0] != 'C') continue;
    names.insert(said);
    hear_data(std::stoul(said.substr(6)));
    EXPECT_EQ(hear(), kOk);
    ok();
  }
  EXPECT_EQ(errors, 2);
  EXPECT_EQ(names.size(), 31u);
  EXPECT_TRUE(names.contains("C0644 0 line\\^JC0644 1 evil\n"));
  EXPECT_TRUE(names.contains("C0644 29 f29\n"));
  world.service->on_close();
  world.service.reset();
}

TEST_F(Scp, tells_the_log_what_it_did_not_copy_as_one_word) {
  ASSERT_EQ(::mkdir((world.folder / "d").c_str(), 0755), 0);
  ASSERT_EQ(::mkdir((world.folder / "d/taken").c_str(), 0755), 0);
  start("scp -t d");
  EXPECT_EQ(hear(), kOk);
  world.send("C0644 3 taken\n");
  hear();
  world.send("C0644 3 a\": ok\x1b[2J\n");
  hear();
  world.send("C0644 3 \": ok\n");
  hear();
  EXPECT_EQ(end_of_input(), 1u);
  EXPECT_NE(world.log.find("refused put \"d/taken\": Is a directory\n"), std::string::npos) << world.log;
  EXPECT_NE(world.log.find("refused put \"a\\x22: ok\\x1b[2J\": invalid filename\n"), std::string::npos) << world.log;
  ServiceWorld other;
  other.attach(make_scp_service(other.connection(), "scp -f 'none\": ok'"));
  other.send(kOk);
  ASSERT_TRUE(other.turn_until([&] { return other.channel.closed; }));
  other.turn();
  EXPECT_NE(other.log.find("refused get \"none\\x22: ok\": No such file or directory\n"), std::string::npos)
      << other.log;
}

TEST_F(Scp, keeps_a_users_bandwidth_both_ways) {
  const std::string content(400000, 'c');
  world.settings.sftp.user.bytes_per_second = 1000000;
  start("scp -t f");
  EXPECT_EQ(hear(), kOk);
  const uint64_t begin = monotonic_clock().now_ns();
  put("C0644 400000 f", content);
  const uint64_t written = monotonic_clock().now_ns();
  // What a tenth of a second brings is free, and the last piece is owed.
  EXPECT_GT(written - begin, 190'000'000u);
  EXPECT_EQ(end_of_input(), 0u);
  ServiceWorld other;
  other.budget = world.connection().budget();
  other.folder.write("f", content);
  other.attach(make_scp_service(other.connection(), "scp -f f"));
  for (int i = 0; i < 2; ++i) other.send(kOk);
  ASSERT_TRUE(other.turn_until([&] { return other.sent().size() == 15 + 400000 + 1; })) << other.sent().size();
  // The other connection's debt is this one's.
  EXPECT_GT(monotonic_clock().now_ns() - written, 290'000'000u);
  EXPECT_TRUE(other.sent() == "C0644 400000 f\n" + content + kOk);
}

TEST_F(Scp, takes_a_users_handles_with_his_other_connections) {
  world.settings.sftp.user.handles = 2;
  world.folder.write("f", "content");
  ServiceWorld other;
  other.budget = world.connection().budget();
  const auto taken = HandleGrant::take(other.budget);
  start("scp -t there");
  EXPECT_EQ(hear(), kOk);
  tell("C0644 5 there");
  other.folder.write("g", "content");
  other.attach(make_scp_service(other.connection(), "scp -f g"));
  other.send(kOk);
  ASSERT_TRUE(other.turn_until([&] { return other.channel.closed; }));
  EXPECT_EQ(other.sent(), "\1scp: g: too many open files\n");
  world.send("hello" + kOk);
  EXPECT_EQ(hear(), kOk);
  EXPECT_EQ(end_of_input(), 0u);
  EXPECT_TRUE(HandleGrant::take(other.budget));
}

TEST_F(Scp, sink_finds_its_way_back_out_of_a_deep_tree) {
  constexpr int kDeep = 300;
  start("scp -r -t " + world.folder.path());
  EXPECT_EQ(hear(), kOk);
  std::string path;
  for (int i = 0; i < kDeep; ++i) {
    tell("D0755 0 d" + std::to_string(i % 10));
    path += "d" + std::to_string(i % 10) + "/";
  }
  put("C0644 4 deep", "deep");
  for (int i = 0; i < kDeep - 1; ++i) tell("E");
  put("C0644 3 one", "one");
  tell("E");
  put("C0644 3 top", "top");
  world.service->on_eof();
  EXPECT_EQ(end(), 0u);
  EXPECT_EQ(world.folder.read(path + "deep"), "deep");
  EXPECT_EQ(world.folder.read("d0/one"), "one");
  EXPECT_EQ(world.folder.read("top"), "top");
}

TEST_F(Scp, source_sends_all_of_large_folders_deep_in_a_tree) {
  constexpr int kDeep = 12, kFiles = 120;
  std::filesystem::path folder = world.folder / "tree";
  for (int i = 0; i < kDeep; ++i) {
    std::filesystem::create_directories(folder);
    for (int j = 0; j < kFiles; ++j) std::ofstream(folder / std::to_string(j)).flush();
    folder /= "next";
  }
  start("scp -r -f tree");
  int folders = 0, files = 0, ends = 0;
  ok();
  for (std::string line = hear(); line != "(closed)" && !HasFailure(); line = hear()) {
    ASSERT_FALSE(line.empty());
    if (line[0] == 'C') {
      ++files;
      ok();
      ASSERT_EQ(hear(), kOk);
    } else {
      ++(line[0] == 'D' ? folders : ends);
    }
    ok();
  }
  EXPECT_EQ(files, kDeep * kFiles);
  EXPECT_EQ(folders, kDeep);
  EXPECT_EQ(ends, kDeep);
  EXPECT_EQ(end(), 0u);
}

TEST_F(Scp, source_compares_long_patterns_with_all_names_and_leaves_longer_ones_alone) {
  constexpr int kFiles = 400;
  for (int i = 0; i < kFiles; ++i)
    std::ofstream(world.folder / (std::to_string(1000 + i) + std::string(200, 'n'))).flush();
  start("scp -f " + std::string(203, '?') + "n");
  ok();
  int files = 0;
  for (std::string line = hear(); line != "(closed)" && !HasFailure(); line = hear()) {
    ASSERT_EQ(line[0], 'C') << line;
    ++files;
    ok();
    ASSERT_EQ(hear(), kOk);
    ok();
  }
  EXPECT_EQ(files, kFiles);
  EXPECT_EQ(end(), 0u);
}

TEST_F(Scp, source_takes_a_pattern_that_no_path_could_match_as_a_name) {
  std::ofstream(world.folder / "name").flush();
  start("scp -f '" + std::string(5000, 'x') + "'*");
  ok();
  const std::string said = hear();
  EXPECT_EQ(said.substr(0, 5), "\1scp:") << said;
  EXPECT_EQ(end(), 1u);
}

TEST_F(Scp, source_is_no_way_for_folders_without_r) {
  start("scp -f .");
  ok();
  EXPECT_EQ(hear(), "\1scp: .: not a regular file\n");
  EXPECT_EQ(end(), 1u);
}

TEST_F(Scp, source_fills_up_a_file_that_became_shorter) {
  world.folder.write("f", std::string(1000000, 'x'));
  world.channel.window_left = 300000;
  start("scp -f f");
  ok();
  EXPECT_EQ(hear(), "C0644 1000000 f\n");
  ok();
  ASSERT_TRUE(world.turn_until([&] { return world.channel.window_left == 0; }));
  ASSERT_EQ(::truncate((world.folder / "f").c_str(), 400000), 0);
  world.channel.window_left = 1 << 30;
  const std::string data = hear_data(1000000);
  EXPECT_EQ(data, std::string(400000, 'x') + std::string(600000, '\0'));
  EXPECT_EQ(hear(), "\1scp: f: file became shorter while it was sent\n");
  ok();
  EXPECT_EQ(end(), 1u);
}

TEST_F(Scp, source_skips_what_the_client_refuses_and_ends_when_it_goes) {
  world.folder.write("a", "1");
  world.folder.write("b", "2");
  start("scp -f a b");
  ok();
  EXPECT_EQ(hear(), "C0644 1 a\n");
  world.send("\1scp: a: disk full\n");
  EXPECT_EQ(hear(), "C0644 1 b\n");
  EXPECT_EQ(end_of_input(), 1u);
}

TEST_F(Scp, ends_when_its_broker_does) {
  world.folder.write("a", "1");
  start("scp -f a a");
  ok();
  EXPECT_EQ(hear(), "C0644 1 a\n");
  ASSERT_EQ(::kill(world.broker->pid(), SIGKILL), 0);
  ok();
  EXPECT_EQ(hear_data(1), "1");
  EXPECT_EQ(hear(), kOk);
  ok();
  EXPECT_EQ(hear().substr(0, 8), "\1scp: a:");
  EXPECT_EQ(end(), 1u);
}

TEST_F(Scp, needs_no_more_handles_than_it_uses_at_once) {
  for (int i = 0; i < 400; ++i) world.folder.write(numbered("f", i), "x");
  start("scp -f f*");
  ok();
  for (int i = 0; i < 400; ++i) {
    ASSERT_EQ(hear().substr(0, 8), "C0644 1 ");
    ok();
    EXPECT_EQ(hear_data(1), "x");
    EXPECT_EQ(hear(), kOk);
    ok();
  }
  EXPECT_EQ(end(), 0u);
}

}  // namespace
}  // namespace sluice
