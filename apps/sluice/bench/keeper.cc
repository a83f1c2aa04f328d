// Nothing here allocates: it runs in a fork of a process with threads.
#include "apps/sluice/bench/keeper.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

namespace sluice::bench {
namespace {

constexpr int kKept = 3;
constexpr long kLookNs = 2'000'000;

double now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

void tell(const KeeperWord& word) {
  if (::write(kKept, &word, sizeof word) != sizeof word) ::_exit(1);
}

// Until nobody is left, or for so long.
void wait_for_the_rest() {
  const double deadline = now() + kLeftBehindSeconds;
  while (now() < deadline) {
    const pid_t one = ::waitpid(-1, nullptr, WNOHANG);
    if (one < 0) return;
    const timespec look{0, kLookNs};
    if (one == 0) ::nanosleep(&look, nullptr);
  }
}

}  // namespace

void keep(int pipe, void (*become)(void* what), void* what) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  KeeperWord word;
  word.at = now();
  word.program = ::_Fork();
  if (word.program == 0) become(what);
  // Its ends of pipes would keep others from hearing that theirs are closed.
  if (word.program < 0 || ::dup2(pipe, kKept) < 0 || ::close_range(kKept + 1, ~0u, 0) != 0) ::_exit(1);
  tell(word);
  for (pid_t one = 0; one != word.program;) {
    one = ::waitpid(-1, &word.status, 0);
    if (one < 0 && errno != EINTR) ::_exit(1);
  }
  word.at = now();
  tell(word);
  wait_for_the_rest();
  rusage use{};
  ::getrusage(RUSAGE_CHILDREN, &use);
  word.cpu_seconds = seconds_of(use.ru_utime) + seconds_of(use.ru_stime);
  tell(word);
  ::_exit(0);
}

}  // namespace sluice::bench
