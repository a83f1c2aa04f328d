// LookTimer: calls back every so often, from a timer descriptor in the connection's worker.
#pragma once

#include <functional>

#include "dataplane/channel.h"

namespace sluice {

class LookTimer final : private Watcher {
 public:
  // The host outlives it. `look` gets the time; it may not destroy the timer.
  LookTimer(ChannelHost& host, uint64_t period_ns, std::function<void(uint64_t now_ns)> look);
  ~LookTimer();
  LookTimer(const LookTimer&) = delete;
  LookTimer& operator=(const LookTimer&) = delete;

  // False where no timer was to be had: nothing is ever called.
  bool runs() const { return static_cast<bool>(timer_); }

 private:
  void on_ready(uint32_t events) override;

  ChannelHost& host_;
  std::function<void(uint64_t)> look_;
  UniqueFd timer_;
};

}  // namespace sluice
