// UserBudget: what all of a user's connections may use together for file transfers: bytes a second, open handles,
// memory.
//
// Shared by workers, so each of these is one atomic number and nobody waits for anybody. UserBudgets belongs to one
// thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/shared_by_name.h"
#include "services/transfer/rate_limit.h"

namespace sluice {

struct UserLimits {
  uint64_t bytes_per_second = 0;  // 0: no cap
  uint32_t handles = UINT32_MAX;
  uint64_t memory_bytes = UINT64_MAX;
};

class UserBudget {
 public:
  explicit UserBudget(const UserLimits& limits) { configure(limits); }
  // From now on; what is taken already stays.
  void configure(const UserLimits& limits);

  RateLimit& bandwidth() { return bandwidth_; }

  bool take_handle();
  void give_handle() { handles_.fetch_sub(1, std::memory_order_relaxed); }

  // Bytes that may still be held; who asks at the same time may be told the same.
  uint64_t memory_left() const;
  void hold_memory(uint64_t bytes) { memory_.fetch_add(bytes, std::memory_order_relaxed); }
  void release_memory(uint64_t bytes) { memory_.fetch_sub(bytes, std::memory_order_relaxed); }

 private:
  RateLimit bandwidth_{0};
  std::atomic<uint64_t> most_memory_{0}, memory_{0};
  std::atomic<uint32_t> most_handles_{0};
  std::atomic<uint32_t> handles_{0};
};

// The budgets of users who have a connection.
class UserBudgets {
 public:
  // A new login's: with the limits that it was given, for his older connections too.
  std::shared_ptr<UserBudget> of(const std::string& user, const UserLimits& limits);
  size_t size() const { return budgets_.size(); }

 private:
  SharedByName<UserBudget> budgets_;
};

// One open handle of the budget, until it is gone.
class HandleGrant {
 public:
  // Null: none is left.
  static std::shared_ptr<HandleGrant> take(const std::shared_ptr<UserBudget>& budget) {
    return budget->take_handle() ? std::make_shared<HandleGrant>(budget) : nullptr;
  }
  explicit HandleGrant(std::shared_ptr<UserBudget> budget) : budget_(std::move(budget)) {}
  ~HandleGrant() { budget_->give_handle(); }
  HandleGrant(const HandleGrant&) = delete;
  HandleGrant& operator=(const HandleGrant&) = delete;

 private:
  const std::shared_ptr<UserBudget> budget_;
};

// Memory of the budget, until it is gone.
class MemoryGrant {
 public:
  // Null: so much is not left.
  static std::unique_ptr<MemoryGrant> take(const std::shared_ptr<UserBudget>& budget, uint64_t bytes) {
    return budget->memory_left() < bytes ? nullptr : std::make_unique<MemoryGrant>(budget, bytes);
  }
  MemoryGrant(std::shared_ptr<UserBudget> budget, uint64_t bytes) : budget_(std::move(budget)), bytes_(bytes) {
    budget_->hold_memory(bytes_);
  }
  ~MemoryGrant() { budget_->release_memory(bytes_); }
  MemoryGrant(const MemoryGrant&) = delete;
  MemoryGrant& operator=(const MemoryGrant&) = delete;

 private:
  const std::shared_ptr<UserBudget> budget_;
  const uint64_t bytes_;
};

// What one channel holds of its user's memory. The first of it is its own: it goes on, slowly, whatever others hold,
// and what it waits for is always something of its own that ends.
class MemoryShare {
 public:
  static constexpr size_t kOwn = 512 * 1024;

  explicit MemoryShare(std::shared_ptr<UserBudget> budget) : budget_(std::move(budget)) {}
  ~MemoryShare() { release(held_); }
  MemoryShare(const MemoryShare&) = delete;
  MemoryShare& operator=(const MemoryShare&) = delete;

  size_t room() const;
  void hold(size_t bytes) { change(held_ + bytes); }
  void release(size_t bytes) { change(held_ - bytes); }
  void release_all() { change(0); }
  size_t held() const { return held_; }

 private:
  void change(size_t held);

  const std::shared_ptr<UserBudget> budget_;
  size_t held_ = 0;
};

}  // namespace sluice
