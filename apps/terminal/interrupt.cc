// The flag behind interrupted().
#include "apps/terminal/interrupt.h"

#include <unistd.h>

#include <csignal>

namespace sluice {
namespace {

// As shells tell of it.
constexpr int kInterrupted = 128 + SIGINT;

volatile std::sig_atomic_t flag = 0;
volatile std::sig_atomic_t suffered = 0;

}  // namespace

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = [](int) {
    // Whoever asks twice waits for something that does not come.
    if (flag && !suffered) ::_exit(kInterrupted);
    flag = 1;
  };
  ::sigaction(SIGINT, &action, nullptr);
}

bool interrupted() { return flag != 0; }
void forget_interrupt() { flag = 0; }
void suffer_interrupts(bool all) { suffered = all; }

}  // namespace sluice
