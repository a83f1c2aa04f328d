// Descriptors beside the connections' own that a worker's loop watches: pipes, sockets and links of services.
#pragma once

#include <cstdint>

namespace sluice {

using SessionId = uint64_t;

class Watcher {
 public:
  virtual ~Watcher() = default;
  // epoll's event bits, at each edge. Its session gets a turn right after.
  virtual void on_ready(uint32_t events) = 0;
  // Asked when a watch begins. False: not told of room to write, which a socket has anew with each thing that its peer
  // takes.
  virtual bool waits_for_room() const { return true; }
};

class WatchList {
 public:
  virtual ~WatchList() = default;
  // Edge-triggered, room too if the watcher waits for it: told once, it goes on until the kernel says EAGAIN. A
  // descriptor has one watcher, which must outlive the watch. False: the kernel refused (a regular file is always
  // ready).
  virtual bool watch(int descriptor, SessionId session, Watcher& watcher) = 0;
  // Before the descriptor is closed.
  virtual void unwatch(int descriptor) = 0;
};

}  // namespace sluice
