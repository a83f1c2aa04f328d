// What a program prints that is started without a shell.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/result.h"

namespace sluice {

enum class ProgramErrors : uint8_t { shown, hidden };

struct ProgramBounds {
  size_t most_output;
  // Whoever looks things up over the network is done by then.
  std::chrono::seconds most_time{60};
  ProgramErrors errors = ProgramErrors::shown;
  int cancelled = -1;  // readable: it is killed
};

// words[0] is a path. Waits for its end; more than the bounds, or a status that is not 0, fails.
ResultOrText<std::string> program_output(std::vector<std::string> words, const ProgramBounds& bounds);

}  // namespace sluice
