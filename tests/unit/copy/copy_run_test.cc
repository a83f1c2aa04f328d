// Whole copies in one process: the run on a thread of its own, both ends of the connection on the test's.
#include "services/copy/copy_run.h"

#include <filesystem>
#include <thread>

#include "tests/unit/sftp_client/sftp_client_world.h"

namespace sluice {
namespace {

using test::pattern;
using test::SftpClientWorld;
using test::TempFolder;

class Listener final : public CopyListener {
 public:
  void on_begin(const std::string&, uint64_t) override {}
  void on_done(const std::string& name, uint64_t, bool) override { add(name); }
  void on_fault(const std::string& name, const SftpFault& fault) override { add("FAULT " + name + ": " + fault.text); }
  void on_notice(const std::string& text) override { add("NOTICE " + text); }
  std::vector<std::string> lines;

 private:
  void add(const std::string& line) {
    const std::lock_guard held(lock_);
    lines.push_back(line);
  }
  std::mutex lock_;
};

struct Outcome {
  bool success = false;
  std::vector<std::string> lines;
};

// Ends the connection of a copy that does not end, so that its thread can be joined.
bool until_over(SftpClientWorld& world, const std::function<bool()>& holds) {
  const bool ended = world.until(holds);
  if (!ended) world.pair->client.reset();
  return ended;
}

// In which direction is said by who has the side.
Outcome copy(SftpClientWorld& world, const CopyOptions& options, const std::string& from, const std::string& to,
             bool put, const std::function<void(const CopyCounts&)>& meanwhile = {}) {
  CopyCounts counts;
  Listener listener;
  std::atomic<bool> over{false};
  Outcome outcome;
  std::thread thread([&] {
    if (const auto facts = world.client->wait_ready()) {
      RemoteSide side(world.client, *facts, nullptr);
      const CopyPlace there{&side, put ? to : from, "there:"};
      const CopyPlace here{nullptr, put ? from : to, ""};
      outcome.success = CopyRun(options, counts, listener).copy({put ? here : there}, put ? there : here);
    }
    over = true;
  });
  EXPECT_TRUE(until_over(world, [&] {
    if (meanwhile && world.pair->client) meanwhile(counts);
    return over.load() || !world.pair->client;
  }));
  thread.join();
  outcome.lines = std::move(listener.lines);
  return outcome;
}

std::map<std::string, std::string> contents(const std::string& folder) {
  std::map<std::string, std::string> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    const std::string name = entry.path().string().substr(folder.size());
    if (entry.is_symlink()) {
      found[name] = "-> " + std::filesystem::read_symlink(entry.path()).string();
    } else if (entry.is_directory()) {
      found[name] = "folder";
    } else {
      std::ifstream file(entry.path(), std::ios::binary);
      found[name] = {std::istreambuf_iterator<char>(file), {}};
    }
  }
  return found;
}

void make_tree(const TempFolder& folder) {
  std::filesystem::create_directories(folder / "from/a/b");
  std::filesystem::create_directories(folder / "from/none");
  for (size_t i = 0; i < 90; ++i) folder.write("from/a/small" + std::to_string(i), pattern(i * 100, i));
  for (size_t i = 0; i < 5; ++i) folder.write("from/a/b/large" + std::to_string(i), pattern(300000 + i * 77777, i));
  std::filesystem::create_symlink("a/small7", folder / "from/link");
}

TEST(CopyRun, copies_a_tree_there_and_back) {
  for (const char* parent : {"/tmp", "/dev/shm"}) {
    const TempFolder folder(parent);
    make_tree(folder);
    const auto expected = contents(folder / "from");
    CopyOptions options;
    options.recursive = options.preserve = true;
    {
      SftpClientWorld world;
      const Outcome put = copy(world, options, folder / "from", folder / "there", true);
      EXPECT_TRUE(put.success) << (put.lines.empty() ? "" : put.lines.back());
      EXPECT_EQ(contents(folder / "there"), expected);
    }
    SftpClientWorld world;
    const Outcome get = copy(world, options, folder / "there", folder / "back", false);
    EXPECT_TRUE(get.success) << (get.lines.empty() ? "" : get.lines.back());
    EXPECT_EQ(contents(folder / "back"), expected);
  }
}

TEST(CopyRun, leaves_links_out_of_the_tree_where_they_are) {
  const TempFolder folder;
  std::filesystem::create_directories(folder / "from/a");
  const std::vector<std::string> bad{"/etc/passwd", "../../x", "../../from/a/x", "b/../../../x", ".."};
  for (size_t i = 0; i < bad.size(); ++i)
    std::filesystem::create_symlink(bad[i], folder / ("from/a/bad" + std::to_string(i)));
  std::filesystem::create_symlink("../a/x", folder / "from/a/good");
  CopyOptions options;
  options.recursive = true;
  SftpClientWorld world;
  const Outcome get = copy(world, options, folder / "from", folder / "back", false);
  EXPECT_TRUE(get.success);
  const auto found = contents(folder / "back");
  // One level up is still in the tree.
  EXPECT_EQ(found,
            (std::map<std::string, std::string>{{"/a", "folder"}, {"/a/bad4", "-> .."}, {"/a/good", "-> ../a/x"}}));
  EXPECT_EQ(get.lines.size(), 4u + 2u);
}

TEST(CopyRun, goes_on_after_a_cut_without_ever_a_wrong_file_under_the_name) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    CheapRandom random(seed);
    const TempFolder folder(seed % 2 ? "/dev/shm" : "/tmp");
    const bool put = random.below(2) == 0;
    const std::string content = pattern(3000000 + random.below(3000000), seed);
    folder.write("from", content);
    folder.write("to", "before");
    for (int cuts = 0; cuts < 3; ++cuts) {
      SftpClientWorld world;
      world.pair->room = 2;
      const uint64_t at = random.below(content.size());
      (void)copy(world, {}, folder / "from", folder / "to", put, [&](const CopyCounts& counts) {
        if (counts.bytes_done >= at) world.pair->client.reset();
      });
      const std::string now = folder.read("to");
      EXPECT_TRUE(now == "before" || now == content);
    }
    SftpClientWorld world;
    const Outcome last = copy(world, {}, folder / "from", folder / "to", put);
    EXPECT_TRUE(last.success) << (last.lines.empty() ? "" : last.lines.back());
    EXPECT_TRUE(folder.read("to") == content);
    EXPECT_EQ(contents(folder.path()).size(), 2u) << "something is left";
  }
}

// Until then nothing is under way that could tell of it.
TEST(CopyRun, ends_when_a_connection_goes_between_the_handle_and_the_first_part) {
  constexpr uint8_t kData = 94, kHandle = 102;
  constexpr size_t kTypeAt = 1 + 4 + 4 + 4;
  const TempFolder folder;
  folder.write("from", pattern(3000000, 1));
  SftpClientWorld from, to;
  bool opened = false;
  from.pair->on_server_message = [&](Bytes message) {
    opened = opened || (message.size() > kTypeAt && message[0] == kData && message[kTypeAt] == kHandle);
  };
  Listener listener;
  std::atomic<bool> over{false};
  bool success = true;
  std::thread thread([&] {
    const auto from_facts = from.client->wait_ready(), to_facts = to.client->wait_ready();
    if (from_facts && to_facts) {
      RemoteSide source(from.client, *from_facts, nullptr), target(to.client, *to_facts, nullptr);
      CopyCounts counts;
      success = CopyRun(CopyOptions(), counts, listener)
                    .copy({{&source, folder / "from", "one:"}}, {&target, folder / "to", "other:"});
    }
    over = true;
  });
  // The other server opens its file only after the first is gone.
  EXPECT_TRUE(until_over(to, [&] {
    if (from.pair->client) from.pair->turn();
    if (opened) from.pair->client.reset();
    return over.load();
  }));
  from.pair->client.reset();
  thread.join();
  EXPECT_TRUE(opened);
  EXPECT_FALSE(success);
  ASSERT_FALSE(listener.lines.empty());
  EXPECT_NE(listener.lines.back().find("run the same command again"), std::string::npos) << listener.lines.back();
  EXPECT_FALSE(std::filesystem::exists(folder / "to"));
}

}  // namespace
}  // namespace sluice
