// What is to be restored, where a signal handler finds it.
#include "apps/terminal/terminal_guard.h"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>

namespace sluice {
namespace {

// A prompt over a session, and the session.
constexpr size_t kMostGuards = 4;

struct Place {
  std::atomic<bool> used{false};
  int descriptor = -1;
  bool raw = false;
  termios original{};
};
std::array<Place, kMostGuards> g_places;

void restore_all() {
  for (size_t i = g_places.size(); i-- > 0;) {
    if (g_places[i].used.load()) ::tcsetattr(g_places[i].descriptor, TCSANOW, &g_places[i].original);
  }
}

void restore_and_die(int number) {
  const int error = errno;
  restore_all();
  ::signal(number, SIG_DFL);
  ::raise(number);
  errno = error;
}

void take_signals_once() {
  static const bool taken = [] {
    std::atexit(restore_all);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGABRT, SIGSEGV, SIGBUS}) {
      struct sigaction now {};
      // Who was told to ignore it, by nohup say, goes on doing so.
      if (::sigaction(number, nullptr, &now) != 0 || now.sa_handler != SIG_DFL) continue;
      struct sigaction ours {};
      ours.sa_handler = restore_and_die;
      ::sigaction(number, &ours, nullptr);
    }
    return true;
  }();
  (void)taken;
}

}  // namespace

TerminalGuard::TerminalGuard(int descriptor) : descriptor_(descriptor) {
  usable_ = descriptor >= 0 && ::tcgetattr(descriptor, &original_) == 0;
}

bool TerminalGuard::keep() {
  if (!usable_) return false;
  take_signals_once();
  if (changed_) return true;
  for (Place& place : g_places) {
    if (place.used.load()) continue;
    place.descriptor = descriptor_;
    place.original = original_;
    place.used.store(true);
    changed_ = true;
    break;
  }
  return true;
}

bool TerminalGuard::change(const termios& to) {
  if (!keep()) return false;
  // From the background this would stop the program; it waits for its turn as anybody does.
  while (::tcsetattr(descriptor_, TCSADRAIN, &to) != 0) {
    if (errno != EINTR) return false;
  }
  for (Place& place : g_places) {
    if (place.used.load() && place.descriptor == descriptor_) place.raw = (to.c_oflag & OPOST) == 0;
  }
  return true;
}

bool TerminalGuard::make_raw() {
  termios raw = original_;
  ::cfmakeraw(&raw);
  raw.c_cc[VMIN] = 1;
  raw.c_cc[VTIME] = 0;
  return change(raw);
}

bool TerminalGuard::make_silent() {
  termios silent = original_;
  silent.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHOE | ECHOK | ECHONL | ICANON | ISIG | IEXTEN);
  silent.c_iflag |= ICRNL;
  silent.c_oflag |= OPOST | ONLCR;
  silent.c_cc[VMIN] = 1;
  silent.c_cc[VTIME] = 0;
  return change(silent);
}

void TerminalGuard::restore() {
  if (!changed_) return;
  ::tcsetattr(descriptor_, TCSADRAIN, &original_);
  release();
}

void TerminalGuard::release() {
  if (!changed_) return;
  for (size_t i = g_places.size(); i-- > 0;) {
    if (!g_places[i].used.load() || g_places[i].descriptor != descriptor_) continue;
    g_places[i].raw = false;
    g_places[i].used.store(false);
    break;
  }
  changed_ = false;
}

bool a_terminal_is_raw() {
  for (const Place& place : g_places) {
    if (place.used.load() && place.raw) return true;
  }
  return false;
}

}  // namespace sluice
