// Notes of signals, and the wait that looks at them.
#include "apps/terminal/prompt_signals.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "apps/terminal/interrupt.h"

namespace sluice {
namespace {

constexpr std::array<int, 3> kTaken = {SIGWINCH, SIGCONT, SIGTSTP};

volatile std::sig_atomic_t noted_resize = 0, noted_continue = 0, noted_stop = 0;

void note(int number) { (number == SIGWINCH ? noted_resize : number == SIGCONT ? noted_continue : noted_stop) = 1; }

bool told(volatile std::sig_atomic_t& noted) {
  if (!noted) return false;
  noted = 0;
  return true;
}

// Those that wait() looks at are held back while it lives.
class HeldBack {
 public:
  HeldBack() {
    sigset_t some;
    ::sigemptyset(&some);
    ::sigaddset(&some, SIGINT);
    for (const int number : kTaken) ::sigaddset(&some, number);
    ::pthread_sigmask(SIG_BLOCK, &some, &before_);
  }
  ~HeldBack() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  HeldBack(const HeldBack&) = delete;
  HeldBack& operator=(const HeldBack&) = delete;
  const sigset_t& before() const { return before_; }

 private:
  sigset_t before_{};
};

}  // namespace

PromptSignals::PromptSignals() {
  for (auto* noted : {&noted_resize, &noted_continue, &noted_stop}) *noted = 0;
  for (size_t i = 0; i < kTaken.size(); ++i) {
    ::sigaction(kTaken[i], nullptr, &before_[i]);
    // Who was told to ignore it goes on doing so.
    if (before_[i].sa_handler == SIG_IGN) continue;
    struct sigaction ours {};
    ours.sa_handler = note;
    ::sigaction(kTaken[i], &ours, nullptr);
  }
  suffer_interrupts(true);
}

PromptSignals::~PromptSignals() {
  for (size_t i = 0; i < kTaken.size(); ++i) ::sigaction(kTaken[i], &before_[i], nullptr);
  suffer_interrupts(false);
}

Woken PromptSignals::wait(int descriptor, int other) {
  const HeldBack held;
  while (true) {
    if (interrupted()) return Woken::interrupt;
    if (told(noted_stop)) return Woken::stopped;
    if (told(noted_continue)) return Woken::continued;
    if (told(noted_resize)) return Woken::resized;
    std::array<pollfd, 2> inputs{pollfd{descriptor, POLLIN, 0}, pollfd{other, POLLIN, 0}};
    const int ready = ::ppoll(inputs.data(), inputs.size(), nullptr, &held.before());
    if (ready > 0 && inputs[0].revents == 0) return Woken::other;
    if (ready > 0 || (ready < 0 && errno != EINTR)) return Woken::input;
  }
}

void PromptSignals::stop(bool job) {
  struct sigaction ours {
  }, before{};
  ours.sa_handler = SIG_DFL;
  ::sigaction(SIGTSTP, &ours, &before);
  ::kill(job ? 0 : ::getpid(), SIGTSTP);
  ::sigaction(SIGTSTP, &before, nullptr);
  noted_continue = 0;
}

}  // namespace sluice
