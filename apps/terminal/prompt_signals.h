// PromptSignals: what a prompt waits for: input, and the signals that have something to say to it.
//
// A signal is noted by its handler and asked for before every wait; during the wait's own look at it signals are
// held back. So none is lost between two system calls, whenever it comes.
#pragma once

#include <signal.h>

#include <array>

namespace sluice {

enum class Woken { input, interrupt, resized, stopped, continued, other };

class PromptSignals {
 public:
  // Takes SIGWINCH, SIGCONT and SIGTSTP while it lives; SIGINT is catch_interrupts()' and ends nothing meanwhile.
  // One at a time.
  PromptSignals();
  ~PromptSignals();
  PromptSignals(const PromptSignals&) = delete;
  PromptSignals& operator=(const PromptSignals&) = delete;

  // An interrupt stays until it is forgotten, the others are told once. Input also means its end or an error.
  // `other`: a descriptor whose readiness is told as such; -1: none.
  static Woken wait(int descriptor, int other = -1);
  // Stops as the default action would, and comes back when continued; the whole foreground job, or this process.
  static void stop(bool job);

 private:
  std::array<struct sigaction, 3> before_{};
};

}  // namespace sluice
