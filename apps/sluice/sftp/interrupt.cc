// The flag behind interrupted().
#include "apps/sluice/sftp/interrupt.h"

#include <csignal>

namespace sluice {
namespace {

volatile std::sig_atomic_t flag = 0;

}  // namespace

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = [](int) { flag = 1; };
  ::sigaction(SIGINT, &action, nullptr);
}

bool interrupted() { return flag != 0; }
void forget_interrupt() { flag = 0; }

}  // namespace sluice
