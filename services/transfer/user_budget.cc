// Atomic sums.
#include "services/transfer/user_budget.h"

#include <algorithm>

namespace sluice {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
// What a user who paused may move at once.
constexpr uint64_t kBurstNs = kSecond / 10;
constexpr uint64_t kLeastAtOnce = 16 * 1024, kMostAtOnce = 1 << 20;

}  // namespace

void UserBudget::configure(const UserLimits& limits) {
  rate_.store(limits.bytes_per_second, std::memory_order_relaxed);
  most_handles_.store(limits.handles, std::memory_order_relaxed);
  most_memory_.store(limits.memory_bytes, std::memory_order_relaxed);
}

size_t UserBudget::most_at_once() const {
  const uint64_t rate = rate_.load(std::memory_order_relaxed);
  return rate == 0 ? kMostAtOnce : std::clamp(rate / 10, kLeastAtOnce, kMostAtOnce);
}

uint64_t UserBudget::wait_ns(uint64_t now_ns) const {
  if (!capped()) return 0;
  const uint64_t paid = paid_ns_.load(std::memory_order_relaxed);
  return paid <= now_ns ? 0 : paid - now_ns;
}

void UserBudget::spend(uint64_t bytes, uint64_t now_ns) {
  const uint64_t rate = rate_.load(std::memory_order_relaxed);
  if (rate == 0) return;
  const auto cost = static_cast<uint64_t>(static_cast<double>(bytes) / static_cast<double>(rate) * kSecond);
  const uint64_t full = now_ns - std::min(now_ns, kBurstNs);
  uint64_t paid = paid_ns_.load(std::memory_order_relaxed);
  while (!paid_ns_.compare_exchange_weak(paid, std::max(paid, full) + cost, std::memory_order_relaxed)) {}
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
  if (budgets_.size() >= sweep_at_) {
    std::erase_if(budgets_, [](const auto& entry) { return entry.second.expired(); });
    sweep_at_ = std::max<size_t>(64, 2 * budgets_.size());
  }
  std::weak_ptr<UserBudget>& known = budgets_[user];
  std::shared_ptr<UserBudget> budget = known.lock();
  if (budget) {
    budget->configure(limits);
  } else {
    known = budget = std::make_shared<UserBudget>(limits);
  }
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
