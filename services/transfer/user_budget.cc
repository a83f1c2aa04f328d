// Atomic sums.
#include "services/transfer/user_budget.h"

#include <algorithm>

namespace sluice {
void UserBudget::configure(const UserLimits& limits) {
  bandwidth_.set(limits.bytes_per_second);
  most_handles_.store(limits.handles, std::memory_order_relaxed);
  most_memory_.store(limits.memory_bytes, std::memory_order_relaxed);
}

bool UserBudget::take_handle() {
  const uint32_t most = most_handles_.load(std::memory_order_relaxed);
  uint32_t taken = handles_.load(std::memory_order_relaxed);
  while (taken < most) {
    if (handles_.compare_exchange_weak(taken, taken + 1, std::memory_order_relaxed)) return true;
  }
  return false;
}

uint64_t UserBudget::memory_left() const {
  const uint64_t most = most_memory_.load(std::memory_order_relaxed);
  const uint64_t held = memory_.load(std::memory_order_relaxed);
  return most - std::min(most, held);
}

std::shared_ptr<UserBudget> UserBudgets::of(const std::string& user, const UserLimits& limits) {
  auto budget = budgets_.of(user, [&] { return std::make_shared<UserBudget>(limits); });
  budget->configure(limits);
  return budget;
}

size_t MemoryShare::room() const {
  const uint64_t own = kOwn - std::min(kOwn, held_);
  return static_cast<size_t>(std::min<uint64_t>(budget_->memory_left(), SIZE_MAX / 2) + own);
}

void MemoryShare::change(size_t held) {
  const size_t before = held_ - std::min(held_, kOwn), now = held - std::min(held, kOwn);
  held_ = held;
  if (now > before) budget_->hold_memory(now - before);
  if (now < before) budget_->release_memory(before - now);
}

}  // namespace sluice
