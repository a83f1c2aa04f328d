// BrokerFacts: a process that works in a user's name, for who looks at the server.
#pragma once

#include <cstdint>
#include <string>

namespace sluice {

struct BrokerFacts {
  int process = 0;
  std::string user;
  uint64_t seconds = 0;    // since it was started
  uint64_t programs = 0;   // that it runs
  uint64_t kilobytes = 0;  // resident
};

}  // namespace sluice
