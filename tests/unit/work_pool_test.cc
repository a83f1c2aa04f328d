// The pool for slow arithmetic.
#include "control/work_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>

namespace sluice {
namespace {

TEST(WorkPool, Continuations_run_on_the_caller_s_thread_after_their_work) {
  WorkPool pool({.threads = 2});
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
  WorkPool pool({.threads = 1, .strangers = 10, .per_source = 6});
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
  WorkPool pool({.threads = 1, .strangers = 7, .per_source = 5});
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
  EXPECT_EQ(order[0], "known") << "his turn comes beside theirs";
}

// All sessions of one address may have a key exchange under way; there are as many of them as are let in.
TEST(WorkPool, Sessions_of_one_address_are_never_refused_however_many_there_are) {
  constexpr uint64_t kSessions = 3000;
  WorkPool pool({.threads = 2, .strangers = 10, .per_source = 5});
  Plug plug(pool, 2);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(pool.submit({"a"}, [] {}));
  std::atomic<size_t> done{0};
  for (uint64_t session = 1; session <= kSessions; ++session) {
    ASSERT_TRUE(pool.submit({"a", session, true}, [&] { ++done; })) << session;
    ASSERT_TRUE(pool.submit({"a", session, true}, [&] { ++done; })) << session;
  }
  EXPECT_FALSE(pool.submit({"a"}, [] {})) << "a stranger of that address still is";
  plug.let_go();
  while (done < 2 * kSessions) std::this_thread::yield();
}

TEST(WorkPool, A_session_has_a_bounded_number_of_items) {
  WorkPool pool({.threads = 1});
  Plug plug(pool);
  for (size_t i = 0; i < kWaitingOfSession; ++i) EXPECT_TRUE(pool.submit({"a", 7, true}, [] {}));
  EXPECT_FALSE(pool.submit({"a", 7, true}, [] {}));
  EXPECT_TRUE(pool.submit({"a", 8, true}, [] {}));
  plug.let_go();
}

// Many sources of strangers are many turns: a session's must not wait for all of them.
TEST(WorkPool, Strangers_of_however_many_addresses_delay_a_session_by_one_item_each) {
  WorkPool pool({.threads = 1});
  Plug plug(pool);
  std::vector<char> order;
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(pool.submit({"source" + std::to_string(i)}, [&] { order.push_back('s'); }));
  for (uint64_t session = 1; session <= 20; ++session)
    ASSERT_TRUE(pool.submit({"a", session, true}, [&] { order.push_back('k'); }));
  std::atomic<bool> all{false};
  ASSERT_TRUE(pool.submit({"last"}, [&] { all = true; }));
  plug.let_go();
  while (!all) std::this_thread::yield();
  EXPECT_EQ(std::count(order.begin(), order.begin() + 40, 'k'), 20);
  EXPECT_EQ(std::count(order.begin(), order.begin() + 40, 's'), 20) << "and who comes in is not starved either";
}

TEST(WorkPool, Strangers_work_that_blocks_leaves_a_thread_to_sessions) {
  WorkPool pool({.threads = 3, .kept_for_sessions = 1});
  std::atomic<bool> go{false}, session{false};
  std::atomic<int> inside{0}, ended{0};
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(pool.submit({"s" + std::to_string(i)}, [&] {
      ++inside;
      while (!go) std::this_thread::yield();
      ++ended;
    }));
  }
  ASSERT_TRUE(pool.submit({"a", 1, true}, [&] { session = true; }));
  while (!session) std::this_thread::yield();
  EXPECT_LE(inside, 2);
  go = true;
  while (ended < 4) std::this_thread::yield();
}

TEST(WorkPool, What_waits_for_a_session_that_ended_is_dropped) {
  WorkPool pool({.threads = 1});
  Plug plug(pool);
  auto held = std::make_shared<int>(0);
  std::atomic<int> done{0};
  ASSERT_TRUE(pool.submit({"a", 1, true}, [&, held] { done += 1; }));
  ASSERT_TRUE(pool.submit({"a", 1, true}, [&, held] { done += 1; }));
  ASSERT_TRUE(pool.submit({"a", 2, true}, [&] { done += 10; }));
  EXPECT_EQ(pool.forget(1), 2u);
  EXPECT_EQ(pool.forget(1), 0u);
  EXPECT_EQ(held.use_count(), 1);
  ASSERT_TRUE(pool.submit({"a", 1, true}, [&] { done += 100; })) << "the number may come again";
  plug.let_go();
  while (done != 110) std::this_thread::yield();
  while (!pool.idle()) std::this_thread::yield();
}

TEST(WorkPool, What_is_worked_on_when_its_session_ends_is_finished) {
  WorkPool pool({.threads = 1});
  std::atomic<bool> begun{false}, go{false}, after{false};
  ASSERT_TRUE(pool.submit({"a", 1, true}, [&] {
    begun = true;
    while (!go) std::this_thread::yield();
  }));
  while (!begun) std::this_thread::yield();
  ASSERT_TRUE(pool.submit({"a", 1, true}, [] { FAIL() << "dropped"; }));
  EXPECT_EQ(pool.forget(1), 1u);
  go = true;
  ASSERT_TRUE(pool.submit({"a", 2, true}, [&] { after = true; }));
  while (!after || !pool.idle()) std::this_thread::yield();
}

// A connection that logs in may still have something among the strangers'.
TEST(WorkPool, Items_of_a_line_keep_their_order_when_it_logs_in) {
  WorkPool pool({.threads = 2});
  Plug plug(pool, 2);
  std::vector<int> order;
  std::atomic<bool> done = false;
  ASSERT_TRUE(pool.submit({"b"}, [] {}));
  ASSERT_TRUE(pool.submit({"a", 1}, [&] { order.push_back(1); }));
  ASSERT_TRUE(pool.submit({"a", 1, true}, [&] {
    order.push_back(2);
    done = true;
  }));
  plug.let_go();
  while (!done || !pool.idle()) std::this_thread::yield();
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

}  // namespace
}  // namespace sluice
