// The pool for slow arithmetic.
#include "control/work_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>

namespace sluice {
namespace {

TEST(WorkPool, Continuations_run_on_the_caller_s_thread_after_their_work) {
  WorkPool pool({.threads = 2, .queued = 100, .per_source = 100});
  const auto here = std::this_thread::get_id();
  std::atomic<int> worked{0};
  int continued = 0;
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(pool.run(
        {"a"}, [&] { ++worked; },
        [&] {
          EXPECT_EQ(std::this_thread::get_id(), here);
          ++continued;
        }));
  }
  while (continued < 50) pool.run_finished();
  EXPECT_EQ(worked, 50);
}

TEST(WorkPool, Is_bounded_in_all_and_by_source_and_sources_take_turns) {
  WorkPool pool({.threads = 1, .queued = 10, .strangers = 10, .per_source = 6});
  std::atomic<bool> go{false};
  ASSERT_TRUE(pool.run(
      {"first"},
      [&] {
        while (!go) std::this_thread::yield();
      },
      [] {}));
  // Until the one thread has taken it, it still counts as queued.
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  std::vector<std::string> order;
  const auto add = [&](const std::string& source) {
    return pool.run(
        {source}, [&order, source] { order.push_back(source); }, [] {});
  };
  size_t taken = 0;
  for (int i = 0; i < 20; ++i) taken += add("flood") ? 1 : 0;
  EXPECT_EQ(taken, 6u);
  EXPECT_TRUE(add("other"));
  EXPECT_TRUE(add("other"));
  EXPECT_TRUE(add("third"));
  EXPECT_TRUE(add("third"));
  EXPECT_FALSE(add("late")) << "ten are queued in all";
  go = true;
  size_t finished = 0;
  while (finished < 11) finished += pool.run_finished();
  EXPECT_EQ((std::vector<std::string>(order.begin(), order.begin() + 3)),
            (std::vector<std::string>{"flood", "other", "third"}));
}

// Keeps the threads of a pool busy until it is let go.
class Plug {
 public:
  explicit Plug(WorkPool& pool, size_t threads = 1) {
    for (size_t i = 0; i < threads; ++i) {
      EXPECT_TRUE(pool.submit({"plug"}, [this] {
        ++held_;
        while (!go_) std::this_thread::yield();
      }));
    }
    while (held_ < threads) std::this_thread::yield();
  }
  void let_go() { go_ = true; }

 private:
  std::atomic<bool> go_{false};
  std::atomic<size_t> held_{0};
};

TEST(WorkPool, Items_of_one_line_never_run_at_once_and_keep_their_order) {
  WorkPool pool({.threads = 4});
  std::atomic<int> inside{0};
  std::atomic<bool> overlapped{false};
  std::array<std::vector<int>, 3> orders;
  int continued = 0;
  for (int i = 0; i < 120; ++i) {
    const auto line = static_cast<size_t>(i % 3);
    static std::array<std::atomic<int>, 3> busy{};
    ASSERT_TRUE(pool.run(
        {"a", line + 1},
        [&, i, line] {
          if (busy[line]++ != 0) overlapped = true;
          orders[line].push_back(i);
          std::this_thread::sleep_for(std::chrono::microseconds(100));
          --busy[line];
          ++inside;
        },
        [&] { ++continued; }));
  }
  while (continued < 120) pool.run_finished();
  EXPECT_FALSE(overlapped);
  EXPECT_EQ(inside, 120);
  for (const auto& order : orders) EXPECT_TRUE(std::is_sorted(order.begin(), order.end()) && order.size() == 40u);
}

TEST(WorkPool, A_busy_line_holds_up_nobody_else_of_its_source) {
  WorkPool pool({.threads = 2});
  std::atomic<bool> go{false}, other{false}, behind{false};
  ASSERT_TRUE(pool.submit({"a", 1}, [&] {
    while (!go) std::this_thread::yield();
  }));
  ASSERT_TRUE(pool.submit({"a", 1}, [&] { behind = true; }));
  ASSERT_TRUE(pool.submit({"a", 2}, [&] { other = true; }));
  while (!other) std::this_thread::yield();
  EXPECT_FALSE(behind);
  go = true;
  while (!behind) std::this_thread::yield();
}

TEST(WorkPool, A_flood_of_strangers_leaves_room_for_whoever_is_logged_in) {
  WorkPool pool({.threads = 1, .queued = 10, .strangers = 7, .per_source = 5});
  Plug plug(pool);
  std::vector<std::string> order;
  const auto add = [&](const WorkOrigin& origin, const std::string& name) {
    return pool.run(
        origin, [&order, name] { order.push_back(name); }, [] {});
  };
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(add({"a"}, "stranger"));
  EXPECT_FALSE(add({"a"}, "stranger")) << "the source's bound";
  EXPECT_TRUE(add({"a", 0, true}, "known")) << "of the same address";
  EXPECT_TRUE(add({"b"}, "stranger"));
  EXPECT_TRUE(add({"c"}, "stranger"));
  EXPECT_FALSE(add({"d"}, "stranger")) << "the strangers' bound";
  EXPECT_TRUE(add({"d", 0, true}, "known"));
  plug.let_go();
  size_t finished = 0;
  while (finished < 9) finished += pool.run_finished();
  EXPECT_EQ(order[1], "known") << "his turn comes beside theirs";
}

}  // namespace
}  // namespace sluice
