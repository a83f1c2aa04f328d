// Throttle: a channel under its user's bandwidth cap: whether bytes may move now, and a turn when they may again.
#pragma once

#include "base/clock.h"
#include "dataplane/channel.h"
#include "services/transfer/user_budget.h"

namespace sluice {

class Throttle final : private Watcher {
 public:
  explicit Throttle(std::shared_ptr<UserBudget> budget) : budget_(std::move(budget)) {}
  ~Throttle() override { leave(); }
  Throttle(const Throttle&) = delete;
  Throttle& operator=(const Throttle&) = delete;

  void attach(Channel& channel) { channel_ = &channel; }
  bool capped() const { return budget_->bandwidth().limits(); }
  size_t most_at_once() const { return budget_->bandwidth().most_at_once(); }
  // True: not now; a turn comes.
  bool holds_back();
  void spend(uint64_t bytes) {
    if (capped()) budget_->bandwidth().spend(bytes, monotonic_clock().now_ns());
  }
  // The channel is still there.
  void leave();

 private:
  void on_ready(uint32_t) override {}

  const std::shared_ptr<UserBudget> budget_;
  Channel* channel_ = nullptr;
  UniqueFd timer_;
};

}  // namespace sluice
