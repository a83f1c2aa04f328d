// FileIoPool: a user whose files never answer, and everybody else. A socket whose peer reads nothing is closed as
// slowly.
#include "services/transfer/file_io_pool.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <array>

#include "tests/support/slow_close.h"
#include "tests/support/temp_folder.h"

namespace sluice::test {
namespace {

using std::chrono::milliseconds;

constexpr int kPatienceMs = 60000;
constexpr milliseconds kSoonStuck{20};
constexpr milliseconds kNeverStuck{3600000};

class FileIoPoolTest : public ::testing::Test {
 protected:
  FileIoPoolTest() {
    const std::string path = folder_.path() + "/file";
    file_ = std::make_shared<UniqueFd>(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    EXPECT_EQ(::pwrite(file_->get(), "content", 7, 0), 7);
  }

  std::unique_ptr<FileJob> read_job() const {
    auto job = std::make_unique<FileJob>();
    job->file = file_;
    job->buffer.resize(7);
    return job;
  }

  void hang(FileIoPool& pool, const std::string& owner, size_t times) {
    for (size_t i = 0; i < times; ++i) {
      slow_.emplace_back();
      pool.close(std::move(slow_.back().slow), owner);
    }
  }

  static bool answered(FileIoPort& port) {
    pollfd waited{port.descriptor(), POLLIN, 0};
    if (::poll(&waited, 1, kPatienceMs) != 1) return false;
    const auto done = port.take();
    return done.size() == 1 && done.front()->got == 7;
  }

  TempFolder folder_;
  std::shared_ptr<UniqueFd> file_;
  std::vector<SlowClose> slow_;
};

TEST_F(FileIoPoolTest, serves_others_while_one_users_files_hang) {
  FileIoPool pool(4, kSoonStuck);
  FileIoPort port(pool, "alice");
  hang(pool, "mallory", 30);
  port.submit(read_job());
  EXPECT_TRUE(answered(port));
  // And with several of them at it.
  for (const char* name : {"mallet", "eve", "oscar"}) hang(pool, name, 15);
  port.submit(read_job());
  EXPECT_TRUE(answered(port));
  slow_.clear();
}

TEST_F(FileIoPoolTest, serves_a_users_other_channels_while_some_of_his_files_hang) {
  FileIoPool pool(4, kSoonStuck);
  FileIoPort port(pool, "alice");
  hang(pool, "alice", 8);
  port.submit(read_job());
  EXPECT_TRUE(answered(port));
  slow_.clear();
}

TEST_F(FileIoPoolTest, lets_users_take_turns) {
  FileIoPool pool(1, kNeverStuck);
  FileIoPort mallory(pool, "mallory");
  FileIoPort alice(pool, "alice");
  hang(pool, "first", 1);
  SlowClose first = std::move(slow_.back());
  mallory.submit(read_job());
  hang(pool, "mallory", 1);
  alice.submit(read_job());
  first.peer.reset();
  EXPECT_TRUE(answered(mallory));
  // Mallory's second, which takes the only thread, was there before.
  EXPECT_TRUE(answered(alice));
  slow_.clear();
}

TEST_F(FileIoPoolTest, knows_who_owes_too_many_closes) {
  FileIoPool pool(4, kSoonStuck);
  hang(pool, "mallory", 10);
  EXPECT_FALSE(pool.owes_closes("mallory"));
  hang(pool, "mallory", 60);
  EXPECT_TRUE(pool.owes_closes("mallory"));
  EXPECT_FALSE(pool.owes_closes("alice"));
  slow_.clear();
  for (int i = 0; i < kPatienceMs && pool.owes_closes("mallory"); ++i) std::this_thread::sleep_for(milliseconds(1));
  EXPECT_FALSE(pool.owes_closes("mallory"));
}

TEST_F(FileIoPoolTest, drops_what_waits_of_a_port_that_goes) {
  FileIoPool pool(1, kNeverStuck);
  hang(pool, "first", 1);
  const std::weak_ptr<UniqueFd> watched = file_;
  {
    FileIoPort port(pool, "alice");
    for (int i = 0; i < 10; ++i) port.submit(read_job());
    file_.reset();
    EXPECT_FALSE(watched.expired());
  }
  EXPECT_TRUE(watched.expired());
  slow_.clear();
}

TEST_F(FileIoPoolTest, closes_what_it_keeps_when_the_last_holder_goes) {
  FileIoPool pool(1, kNeverStuck);
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const UniqueFd reading(ends[0]);
  auto kept = pool.keep(UniqueFd(ends[1]), "alice");
  auto other = kept;
  kept.reset();
  pollfd waited{reading.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&waited, 1, 0), 0);
  other.reset();
  EXPECT_EQ(::poll(&waited, 1, kPatienceMs), 1);
  EXPECT_NE(waited.revents & POLLHUP, 0);
}

}  // namespace
}  // namespace sluice::test
