// WindowBudget: what the windows of all connections may sum up to, and how much of it is one user's.
//
// What a peer was given he may send, and a service that takes nothing keeps all of it. A user has no more of it than
// what is then left for others: one alone gets half, of several who take all they can each gets the same, and whoever
// comes later finds as much as each of them has. All of it are atomic sums that workers share.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <utility>

namespace sluice {

// One user's part of the budget, in all of his connections.
class WindowAccount {
 public:
  uint64_t held() const { return static_cast<uint64_t>(std::max<int64_t>(held_.load(std::memory_order_relaxed), 0)); }

 private:
  friend class WindowBudget;
  std::atomic<int64_t> held_{0};
};

class WindowBudget {
 public:
  explicit WindowBudget(uint64_t bytes) : left_(static_cast<int64_t>(bytes)), reserve_(bytes / 4) {}
  // As much as `leave` must be left then, and beyond it as much as `user`, if there is one, has.
  bool take(uint64_t bytes, uint64_t leave = 0, WindowAccount* user = nullptr) {
    const auto more = static_cast<int64_t>(bytes);
    const int64_t has = user ? user->held_.fetch_add(more, std::memory_order_relaxed) + more : 0;
    const int64_t left = left_.fetch_sub(more, std::memory_order_relaxed) - more;
    if (left >= static_cast<int64_t>(leave) + has) return true;
    give(bytes, user);
    return false;
  }
  void give(uint64_t bytes, WindowAccount* user = nullptr) {
    left_.fetch_add(static_cast<int64_t>(bytes), std::memory_order_relaxed);
    if (user) user->held_.fetch_sub(static_cast<int64_t>(bytes), std::memory_order_relaxed);
  }
  uint64_t left() const { return static_cast<uint64_t>(std::max<int64_t>(left_.load(std::memory_order_relaxed), 0)); }
  // For small windows: who has many large ones keeps nobody from opening a channel.
  uint64_t reserve() const { return reserve_; }

 private:
  std::atomic<int64_t> left_;
  const uint64_t reserve_;
};

// What one channel has of it, until its end. Budget and account outlive it.
class WindowLoan {
 public:
  WindowLoan() = default;
  WindowLoan(WindowLoan&& other) noexcept
      : budget_(std::exchange(other.budget_, nullptr)), user_(other.user_), bytes_(std::exchange(other.bytes_, 0)) {}
  WindowLoan& operator=(WindowLoan&&) = delete;
  ~WindowLoan() {
    if (budget_) budget_->give(bytes_, user_);
  }
  bool take(WindowBudget& budget, uint64_t bytes, uint64_t leave, WindowAccount* user) {
    if (!budget.take(bytes, leave, user)) return false;
    budget_ = &budget;
    user_ = user;
    bytes_ += bytes;
    return true;
  }

 private:
  WindowBudget* budget_ = nullptr;
  WindowAccount* user_ = nullptr;
  uint64_t bytes_ = 0;
};

}  // namespace sluice
