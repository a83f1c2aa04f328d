// Two ends of a TCP connection over loopback, and a thread that stays on a core.
#pragma once

#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"

namespace sluice::test {

// Nobody's: whoever takes them closes them.
struct LoopbackPair {
  LoopbackPair() {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    SLUICE_CHECK(::bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0);
    SLUICE_CHECK(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    SLUICE_CHECK(::listen(listener, 1) == 0);
    SLUICE_CHECK(::connect(connected, reinterpret_cast<sockaddr*>(&address), size) == 0);
    accepted = ::accept(listener, nullptr, nullptr);
    ::close(listener);
  }

  int connected = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int accepted = -1;
};

inline cpu_set_t allowed_cores() {
  cpu_set_t allowed;
  SLUICE_CHECK(::sched_getaffinity(0, sizeof allowed, &allowed) == 0);
  return allowed;
}

inline void stay_on(int core) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(core, &one);
  SLUICE_CHECK(::sched_setaffinity(0, sizeof one, &one) == 0);
}

}  // namespace sluice::test
