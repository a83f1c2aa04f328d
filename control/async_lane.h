// AsyncLane: one thread's jobs that pause while a device works for them, by libcrypto's ASYNC_JOB.
//
// A job runs on a stack of 32 KiB until it is done or pauses; poll() goes on with those whose device has answered. All
// on one thread, so that a job finds itself where it was.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "control/completions.h"

namespace sluice {

class AsyncLane {
 public:
  explicit AsyncLane(size_t most);
  // Those that still pause are abandoned with their stacks: a device may write there.
  ~AsyncLane();
  AsyncLane(const AsyncLane&) = delete;
  AsyncLane& operator=(const AsyncLane&) = delete;

  // Where the machine cannot: nothing may be started.
  static bool possible();

  // Runs it until it ends or pauses. `ended` is called when it ended, now or in poll(), `lost` when it is abandoned.
  void start(Job work, Job ended, Job lost);
  // Waits for a device's answer, or for `wake` to be readable, at most so long.
  void poll(int wake, int wait_ms);
  // Gives up what has paused for longer: with its stack, where a device may still write, and whatever it holds.
  void abandon(uint64_t older_than_ns);
  size_t paused() const { return flights_.size(); }
  bool full() const { return flights_.size() >= most_; }
  // When the oldest was started, of monotonic_clock(); 0 when there is none.
  uint64_t oldest_ns() const;

 private:
  struct Flight;
  // True when it is over.
  bool go_on(Flight& flight);

  size_t most_;
  bool abandoned_ = false;
  std::vector<std::unique_ptr<Flight>> flights_;
};

}  // namespace sluice
