// The pool for slow arithmetic.
#include "control/work_pool.h"

#include <gtest/gtest.h>

#include <atomic>

namespace sluice {
namespace {

TEST(WorkPool, Continuations_run_on_the_caller_s_thread_after_their_work) {
  WorkPool pool({2, 100, 100});
  const auto here = std::this_thread::get_id();
  std::atomic<int> worked{0};
  int continued = 0;
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(pool.run(
        "a", [&] { ++worked; },
        [&] {
          EXPECT_EQ(std::this_thread::get_id(), here);
          ++continued;
        }));
  }
  while (continued < 50) pool.run_finished();
  EXPECT_EQ(worked, 50);
}

TEST(WorkPool, Is_bounded_in_all_and_by_source_and_sources_take_turns) {
  WorkPool pool({1, 10, 6});
  std::atomic<bool> go{false};
  ASSERT_TRUE(pool.run(
      "first",
      [&] {
        while (!go) std::this_thread::yield();
      },
      [] {}));
  // Until the one thread has taken it, it still counts as queued.
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  std::vector<std::string> order;
  const auto add = [&](const std::string& source) {
    return pool.run(
        source, [&order, source] { order.push_back(source); }, [] {});
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

}  // namespace
}  // namespace sluice
