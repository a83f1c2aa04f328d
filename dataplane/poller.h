// What a worker turns beside its sessions: a port's queue with the network above it.
#pragma once

#include <cstdint>

namespace sluice {

class Poller {
 public:
  virtual ~Poller() = default;
  // Before the sessions' turn: takes in what came and wakes whom it concerns. True when anything came.
  virtual bool take_in() = 0;
  // After it: what they and it have to say goes out.
  virtual void send_out() = 0;
  // The worker has nothing else to do: how long it may sleep. 0: not at all now. A sleep ends when the descriptor is
  // ready.
  virtual uint64_t may_sleep_ns() = 0;
  // Readable when there is something to take in for a worker that sleeps; -1: time alone tells.
  virtual int descriptor() const = 0;
};

}  // namespace sluice
