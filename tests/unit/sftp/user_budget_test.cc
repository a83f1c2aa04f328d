// UserBudget: one user's connections on several threads.
#include "services/transfer/user_budget.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace sluice {
namespace {

TEST(UserBudget, counts_what_threads_take_at_the_same_time) {
  UserBudget budget({.handles = 100, .memory_bytes = 1 << 30});
  std::vector<std::thread> threads;
  std::atomic<uint32_t> taken{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 10000; ++n) {
        budget.hold_memory(10);
        if (budget.take_handle()) ++taken;
        if (n % 2 == 0) budget.release_memory(10);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken.load(), 100u);
  EXPECT_EQ(budget.memory_left(), (1u << 30) - 200000);
  budget.give_handle();
  EXPECT_TRUE(budget.take_handle());
  EXPECT_FALSE(budget.take_handle());
}

TEST(UserBudget, gives_each_channel_a_part_of_its_own) {
  const auto budget = std::make_shared<UserBudget>(UserLimits{.memory_bytes = 1000});
  MemoryShare first(budget);
  EXPECT_EQ(first.room(), MemoryShare::kOwn + 1000);
  first.hold(MemoryShare::kOwn + 900);
  EXPECT_EQ(budget->memory_left(), 100u);
  EXPECT_EQ(first.room(), 100u);
  {
    MemoryShare second(budget);
    EXPECT_EQ(second.room(), MemoryShare::kOwn + 100);
    second.hold(MemoryShare::kOwn + 100);
    EXPECT_EQ(first.room(), 0u);
  }
  first.release(950);
  EXPECT_EQ(budget->memory_left(), 1000u);
  EXPECT_EQ(first.room(), 1000u + 50);
  first.hold(2000);
  EXPECT_EQ(budget->memory_left(), 0u);
  first.release_all();
  EXPECT_EQ(budget->memory_left(), 1000u);
  EXPECT_FALSE(MemoryGrant::take(budget, 1001));
  const auto grant = MemoryGrant::take(budget, 1000);
  EXPECT_EQ(budget->memory_left(), 0u);
}

TEST(UserBudget, is_one_for_all_of_a_users_connections) {
  UserBudgets budgets;
  auto first = budgets.of("alice", {.handles = 1});
  const auto second = budgets.of("alice", {.handles = 2});
  const auto other = budgets.of("bob", {.handles = 1});
  EXPECT_EQ(first, second);
  EXPECT_NE(first, other);
  // The newest login's limits.
  auto grant = HandleGrant::take(first);
  const auto more = HandleGrant::take(second);
  EXPECT_TRUE(grant && more);
  EXPECT_FALSE(HandleGrant::take(first));
  grant.reset();
  EXPECT_TRUE(HandleGrant::take(second));
  EXPECT_TRUE(HandleGrant::take(other));
}

TEST(UserBudget, forgets_users_who_have_left) {
  UserBudgets budgets;
  const auto stays = budgets.of("stays", {.handles = 7});
  for (int i = 0; i < 10000; ++i) (void)budgets.of("user" + std::to_string(i), {});
  EXPECT_LT(budgets.size(), 200u);
  EXPECT_EQ(budgets.of("stays", {.handles = 7}), stays);
}

}  // namespace
}  // namespace sluice
