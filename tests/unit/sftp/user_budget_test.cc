// UserBudget: one user's connections on several threads, and times that the test sets.
#include "services/transfer/user_budget.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace sluice {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kStart = 1000 * kSecond;

TEST(UserBudget, has_no_cap_unless_there_is_one) {
  UserBudget budget({});
  budget.spend(uint64_t{1} << 40, kStart);
  EXPECT_FALSE(budget.capped());
  EXPECT_EQ(budget.wait_ns(kStart), 0u);
}

TEST(UserBudget, lets_a_tenth_of_a_second_move_at_once_and_then_the_rate) {
  UserBudget budget({.bytes_per_second = 1000000});
  budget.spend(99999, kStart);
  EXPECT_EQ(budget.wait_ns(kStart), 0u);
  budget.spend(50001, kStart);
  EXPECT_NEAR(static_cast<double>(budget.wait_ns(kStart)), 0.05 * kSecond, 1000);
  EXPECT_EQ(budget.wait_ns(kStart + kSecond / 20 + 1000), 0u);
  // A pause brings no more than the burst.
  const uint64_t later = kStart + 3600 * kSecond;
  budget.spend(200000, later);
  EXPECT_NEAR(static_cast<double>(budget.wait_ns(later)), 0.1 * kSecond, 1000);
}

TEST(UserBudget, moves_at_once_what_is_worth_a_call_and_not_much_more_than_the_burst) {
  EXPECT_EQ(UserBudget({.bytes_per_second = 1024}).most_at_once(), 16u * 1024);
  EXPECT_EQ(UserBudget({.bytes_per_second = 1000000}).most_at_once(), 100000u);
  EXPECT_EQ(UserBudget({.bytes_per_second = uint64_t{1} << 40}).most_at_once(), 1u << 20);
}

TEST(UserBudget, counts_what_threads_spend_and_take_at_the_same_time) {
  UserBudget budget({.bytes_per_second = 1000000000, .handles = 100, .memory_bytes = 1 << 30});
  std::vector<std::thread> threads;
  std::atomic<uint32_t> taken{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 10000; ++n) {
        budget.spend(1000, kStart);
        budget.hold_memory(10);
        if (budget.take_handle()) ++taken;
        if (n % 2 == 0) budget.release_memory(10);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken.load(), 100u);
  EXPECT_EQ(budget.memory_left(), (1u << 30) - 200000);
  budget.spend(60000000, kStart);
  EXPECT_EQ(budget.wait_ns(kStart), 0u);
  budget.spend(1000, kStart);
  EXPECT_EQ(budget.wait_ns(kStart), 1000u);
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
