// scp's files on a disk that does not answer: what a side does meanwhile, and what becomes of it when it goes.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <deque>
#include <random>

#include "services/scp/scp_service.h"
#include "services/transfer/file_io_pool.h"
#include "services/transfer/held_file.h"
#include "tests/support/service_world.h"
#include "tests/support/slow_close.h"

namespace sluice {
namespace {

using test::ServiceWorld;
using test::SlowClose;

// As many as one user may have stuck.
constexpr size_t kAllOfOne = 12;
constexpr size_t kMostTaken = 4 << 20;

std::string random_text(size_t size) {
  std::mt19937_64 random(size);
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

size_t open_descriptors() {
  size_t n = 0;
  for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) ++n;
  return n;
}

class ScpDisk : public testing::Test {
 protected:
  ScpDisk() {
    const UniqueFd probe(::open((world.folder / "probe").c_str(), O_RDWR | O_CREAT, 0600));
    on_disk_ = kind_of(probe.get()) == FileKind::disk;
  }
  ~ScpDisk() override { unblock(); }
  void SetUp() override {
    if (!on_disk_) GTEST_SKIP() << "/tmp is no disk";
    start_broker(world);
  }
  // A process that is forked later has the stuck descriptors too, and they end with the last of them.
  static void start_broker(ServiceWorld& where) {
    const BrokerCaller caller(where.connection().broker());
    bool answered = false;
    where.connection().broker().ask(caller, StatPath{"."}, [&](BrokerReceived&&) { answered = true; });
    ASSERT_TRUE(where.turn_until([&] { return answered; }));
  }

  // Nothing of the tester's is read, written or closed in the pool until unblock().
  void block() {
    for (size_t i = 0; i < kAllOfOne; ++i) {
      stuck_.emplace_back();
      FileIoPool::shared().close(std::move(stuck_.back().slow), "tester");
    }
  }
  void unblock() { stuck_.clear(); }

  void start(std::string_view command) { world.attach(make_scp_service(world.connection(), command)); }
  // All that was said until now, once there is so much of it.
  std::string hear(size_t n) {
    EXPECT_TRUE(world.turn_until([&] { return world.sent().size() >= heard_ + n; })) << world.sent().size();
    const std::string all = world.sent().substr(heard_);
    heard_ += all.size();
    return all;
  }
  void some_turns() {
    for (int i = 0; i < 20; ++i) world.turn(1);
  }
  uint32_t end() {
    EXPECT_TRUE(world.turn_until([&] { return world.channel.closed; }));
    for (const auto& request : world.channel.requests)
      if (request.name == "exit-status") return load_be32(request.extra.data());
    return 99;
  }
  // Out of the cache. False: the file system does not do that.
  bool make_cold(const std::string& name) const {
    const UniqueFd file(::open((world.folder / name).c_str(), O_RDONLY | O_CLOEXEC));
    if (::fsync(file.get()) != 0 || ::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED) != 0) return false;
    // Reading would begin to warm it again.
    void* const page = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, file.get(), 0);
    if (page == MAP_FAILED) return false;
    unsigned char resident = 1;
    const bool said = ::mincore(page, 4096, &resident) == 0;
    ::munmap(page, 4096);
    return said && (resident & 1) == 0;
  }

  const std::string kOk = std::string(1, '\0');
  ServiceWorld world;

 private:
  bool on_disk_ = false;
  std::deque<SlowClose> stuck_;
  size_t heard_ = 0;
};

TEST_F(ScpDisk, sink_takes_what_may_wait_and_no_more) {
  const std::string content = random_text(16 << 20);
  block();
  start("scp -t name");
  EXPECT_EQ(hear(1), kOk);
  const std::string line = "C0644 " + std::to_string(content.size()) + " name\n";
  world.send(line);
  EXPECT_EQ(hear(1), kOk);
  for (size_t at = 0; at < content.size(); at += 100000) {
    world.send(std::string_view(content).substr(at, 100000));
    world.turn();
  }
  world.send(kOk);
  some_turns();
  EXPECT_EQ(world.channel.consumed_bytes, line.size() + kMostTaken);
  EXPECT_EQ(world.sent(), kOk + kOk);
  unblock();
  EXPECT_EQ(hear(1), kOk);
  EXPECT_EQ(world.channel.consumed_bytes, line.size() + content.size() + 1);
  EXPECT_TRUE(world.folder.read("name") == content);
  world.service->on_eof();
  EXPECT_EQ(end(), 0u);
  EXPECT_NE(world.log.find("written 16777216 "), std::string::npos) << world.log;
}

TEST_F(ScpDisk, sink_says_nothing_of_a_file_before_all_of_it_is_written) {
  block();
  start("scp -p -t name");
  EXPECT_EQ(hear(1), kOk);
  world.send("T1200000000 0 1300000000 0\nC0604 5 name\nhello" + kOk);
  EXPECT_EQ(hear(2), kOk + kOk);
  world.service->on_eof();
  some_turns();
  EXPECT_EQ(world.sent().size(), 3u);
  EXPECT_FALSE(world.channel.closed);
  unblock();
  EXPECT_EQ(hear(1), kOk);
  EXPECT_EQ(end(), 0u);
  EXPECT_EQ(world.folder.read("name"), "hello");
  struct stat facts {};
  ASSERT_EQ(::stat((world.folder / "name").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mtim.tv_sec, 1200000000);
  EXPECT_EQ(facts.st_mode & 07777u, 0604u);
}

TEST_F(ScpDisk, sink_keeps_what_came_of_a_file_whose_sender_went) {
  block();
  start("scp -t name");
  EXPECT_EQ(hear(1), kOk);
  world.send("C0644 100 name\nsome");
  EXPECT_EQ(hear(1), kOk);
  world.service->on_eof();
  some_turns();
  EXPECT_FALSE(world.channel.closed);
  unblock();
  EXPECT_EQ(end(), 1u);
  EXPECT_EQ(hear(1), "\1scp: dropped connection\n");
  EXPECT_EQ(world.folder.read("name"), "some");
}

TEST_F(ScpDisk, sink_stays_in_step_when_a_disk_takes_no_more) {
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{}, small{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  small = before;
  small.rlim_cur = 1500000;
  const std::string content = random_text(8 << 20);
  start("scp -r -t .");
  EXPECT_EQ(hear(1), kOk);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  world.send("C0644 " + std::to_string(content.size()) + " large\n");
  EXPECT_EQ(hear(1), kOk);
  for (size_t at = 0; at < content.size(); at += 300000) {
    world.send(std::string_view(content).substr(at, 300000));
    world.turn();
  }
  world.send(kOk);
  EXPECT_EQ(hear(25), "\1scp: ./large: File too large\n");
  world.send("C0644 5 small\nhello" + kOk);
  EXPECT_EQ(hear(2), kOk + kOk);
  world.service->on_eof();
  EXPECT_EQ(end(), 1u);
  EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_TRUE(world.folder.read("large") == content.substr(0, 1500000));
  EXPECT_EQ(world.folder.read("small"), "hello");
  EXPECT_NE(world.log.find("put \"./large\" written 1500000 "), std::string::npos) << world.log;
}

TEST_F(ScpDisk, source_sends_a_cold_file_in_order_and_waits_for_nobody) {
  const std::string content = random_text((20 << 20) + 12345);
  world.folder.write("f", content);
  if (!make_cold("f")) GTEST_SKIP() << "what was read stays in the cache";
  block();
  start("scp -f f");
  world.send(kOk);
  const std::string line = "C0644 " + std::to_string(content.size()) + " f\n";
  EXPECT_EQ(hear(line.size()), line);
  world.send(kOk);
  some_turns();
  EXPECT_EQ(world.sent().size(), line.size());
  unblock();
  const std::string data = hear(content.size() + 1);
  EXPECT_TRUE(data == content + kOk);
  world.send(kOk);
  EXPECT_EQ(end(), 0u);
}

TEST_F(ScpDisk, source_fills_up_a_cold_file_that_became_shorter_under_its_reads) {
  const std::string content = random_text(3 << 20);
  world.folder.write("f", content);
  if (!make_cold("f")) GTEST_SKIP() << "what was read stays in the cache";
  block();
  start("scp -f f f");
  world.send(kOk);
  hear(1);
  world.send(kOk);
  some_turns();
  constexpr size_t kLeft = 700001;
  ASSERT_EQ(::truncate((world.folder / "f").c_str(), kLeft), 0);
  unblock();
  const std::string why = "\1scp: f: file became shorter while it was sent\n";
  EXPECT_TRUE(hear(content.size() + why.size()) ==
              content.substr(0, kLeft) + std::string(content.size() - kLeft, '\0') + why);
  // The next is another file: nothing of the first's reads is taken for its.
  world.send(kOk);
  const std::string line = "C0644 700001 f\n";
  EXPECT_EQ(hear(line.size()), line);
  world.send(kOk);
  EXPECT_TRUE(hear(kLeft + 1) == content.substr(0, kLeft) + kOk);
  world.send(kOk);
  EXPECT_EQ(end(), 1u);
}

TEST_F(ScpDisk, what_was_read_before_a_file_became_shorter_is_sent_as_it_was) {
  const std::string content = random_text(3 << 20);
  world.folder.write("f", content);
  if (!make_cold("f")) GTEST_SKIP() << "this file system keeps its pages";
  block();
  start("scp -f f");
  world.send(kOk);
  hear(1);
  world.send(kOk);
  some_turns();
  // Just where one job ends and the next begins.
  constexpr size_t kLeft = 512 * 1024;
  ASSERT_EQ(::truncate((world.folder / "f").c_str(), kLeft), 0);
  unblock();
  const std::string why = "\1scp: f: file became shorter while it was sent\n";
  EXPECT_TRUE(hear(content.size() + why.size()) ==
              content.substr(0, kLeft) + std::string(content.size() - kLeft, '\0') + why);
}

TEST_F(ScpDisk, a_channel_that_goes_leaves_nothing_behind) {
  const std::string content = random_text(6 << 20);
  world.folder.write("f", content);
  // The pool's own descriptors come and go with its answers only.
  const size_t before = open_descriptors();
  for (const bool sink : {true, false}) {
    for (const bool told : {true, false}) {
      ServiceWorld peer;
      start_broker(peer);
      const bool cold = make_cold("f");
      block();
      peer.attach(make_scp_service(peer.connection(), sink ? "scp -t there" : "scp -f " + world.folder / "f"));
      peer.send(sink ? "C0644 5000000 there\n" + content.substr(0, 4500000) : kOk);
      ASSERT_TRUE(peer.turn_until([&] { return peer.sent().size() > 1; }));
      if (!sink) peer.send(kOk);
      for (int i = 0; i < 5; ++i) peer.turn(1);
      EXPECT_TRUE(sink || !cold || peer.sent().size() < 100);
      if (told) peer.service->on_close();
      peer.service.reset();
      peer.turn();
      unblock();
    }
  }
  for (int i = 0; i < 10000 && open_descriptors() > before; ++i) ::usleep(1000);
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(ScpDisk, sides_of_one_user_share_his_memory_and_each_goes_on_with_its_own_part) {
  const std::string content = random_text(6 << 20);
  world.folder.write("f", content);
  constexpr size_t kShared = 1 << 20;
  ServiceWorld first, second, third;
  first.budget = second.budget = third.budget = std::make_shared<UserBudget>(UserLimits{.memory_bytes = kShared});
  const std::string line = "C0644 " + std::to_string(content.size()) + " there\n";
  for (ServiceWorld* sink : {&first, &second}) {
    sink->attach(make_scp_service(sink->connection(), "scp -t there"));
    ASSERT_TRUE(sink->turn_until([&] { return sink->sent() == kOk; }));
  }
  third.attach(make_scp_service(third.connection(), "scp -f " + world.folder / "f"));
  third.send(kOk);
  ASSERT_TRUE(third.turn_until([&] { return !third.sent().empty(); }));
  const bool cold = make_cold("f");
  block();
  for (ServiceWorld* sink : {&first, &second}) {
    sink->send(line);
    ASSERT_TRUE(sink->turn_until([&] { return sink->sent() == kOk + kOk; }));
    sink->send(content + kOk);
    for (int i = 0; i < 5; ++i) sink->turn(1);
  }
  third.send(kOk);
  for (int i = 0; i < 5; ++i) third.turn(1);
  EXPECT_EQ(first.channel.consumed_bytes, line.size() + MemoryShare::kOwn + kShared);
  EXPECT_EQ(second.channel.consumed_bytes, line.size() + MemoryShare::kOwn);
  EXPECT_EQ(first.budget->memory_left(), 0u);
  unblock();
  ASSERT_TRUE(third.turn_until([&] { return third.sent().size() > content.size(); }));
  EXPECT_TRUE(!cold || third.sent().substr(third.sent().find('\n') + 1) == content + kOk);
  for (ServiceWorld* sink : {&first, &second}) {
    ASSERT_TRUE(sink->turn_until([&] { return sink->sent() == kOk + kOk + kOk; }));
    EXPECT_TRUE(sink->folder.read("there") == content);
  }
  EXPECT_EQ(first.budget->memory_left(), kShared);
}

TEST_F(ScpDisk, opens_nothing_for_whoever_owes_too_many_closes) {
  ServiceWorld other;
  start_broker(other);
  for (int i = 0; i < 6; ++i) block();
  world.folder.write("f", "content");
  const std::string why = "too many files wait for their server to close them\n";
  start("scp -f f");
  world.send(kOk);
  EXPECT_EQ(hear(why.size()), "\1scp: f: " + why);
  EXPECT_EQ(end(), 1u);
  other.attach(make_scp_service(other.connection(), "scp -t g"));
  other.send("C0644 5 g\n");
  ASSERT_TRUE(other.turn_until([&] { return other.sent().size() > why.size(); }));
  EXPECT_EQ(other.sent(), kOk + "\1scp: g: " + why);
  unblock();
  // The user of the next test is the same one.
  const std::string owner = world.connection().login().user;
  EXPECT_TRUE(world.turn_until([&] { return !FileIoPool::shared().owes_closes(owner); }));
}

}  // namespace
}  // namespace sluice
