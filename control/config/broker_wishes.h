// BrokerWishes: what the configuration says of the processes that work in users' names.
#pragma once

namespace sluice {

struct BrokerWishes {
  unsigned users = 4096;         // at a time, a process each
  unsigned linger_seconds = 30;  // without work
  unsigned programs = 64;        // of one connection, running at a time

  bool operator==(const BrokerWishes&) const = default;
};

}  // namespace sluice
