// Member: what is known of one session of a load.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "apps/sluice/bench/statistics.h"

namespace sluice::bench {

// Written by its worker and by control; read when the end has stopped, but for the atomics.
struct Member {
  std::atomic<uint64_t> received{0};
  std::atomic<uint64_t> rekeys{0};
  std::atomic<bool> wrong{false}, closed{false}, ended{false}, logged_in{false};
  std::string why;  // before `ended`
  unsigned turned_away = 0;
  // The longest time without data in each stretch between two rekeys: x the second of the run, y milliseconds.
  std::vector<Point> pauses;
  std::vector<double> delays;  // of pings, in milliseconds

  // Of the stretch under way.
  uint64_t last_ns = 0, longest_ns = 0, stretch = 0, stretch_began_ns = 0;
};

}  // namespace sluice::bench
