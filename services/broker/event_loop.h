// EventLoop: a broker's one thread: descriptors that are ready, times that have come.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <unordered_map>

#include "base/unique_fd.h"

namespace sluice {

class EventLoop {
 public:
  using Ready = std::function<void(uint32_t events)>;

  EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Level-triggered, epoll's event bits. False: the kernel refused.
  bool watch(int descriptor, uint32_t events, Ready ready);
  void change(int descriptor, uint32_t events);
  // Before the descriptor is closed.
  void unwatch(int descriptor);

  static int64_t now_ms();
  // Not before so many milliseconds have passed.
  void after(int64_t ms, std::function<void()> then);

  // Until stop(); what stop() was called in is finished.
  void run();
  void stop() { stopping_ = true; }

 private:
  int next_wait_ms() const;
  void run_timers();

  UniqueFd epoll_;
  // Shared, so that one that unwatches itself lives until it returns.
  std::unordered_map<int, std::shared_ptr<Ready>> watched_;
  std::multimap<int64_t, std::function<void()>> timers_;
  bool stopping_ = false;
};

}  // namespace sluice
