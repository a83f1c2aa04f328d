// ProgramStreams: what a program's first three descriptors are connected to: pipes, or a terminal.
#pragma once

#include <array>
#include <string>

#include "services/broker/channel_requests.h"
#include "services/broker/file_operations.h"

namespace sluice {

inline constexpr uint32_t kNoTerminal = ~uint32_t{0};

struct ProgramStreams {
  std::vector<UniqueFd> ends;              // ours, non-blocking
  std::array<UniqueFd, 3> inner;           // the program's
  UniqueFd terminal;                       // a second descriptor of the terminal, to change its size by
  uint32_t terminal_number = kNoTerminal;  // of /dev/pts
};

Outcome<ProgramStreams> open_pipes(bool ample);
Outcome<ProgramStreams> open_terminal(const TerminalRequest& request);
Outcome<void> resize_terminal(int terminal, const TerminalSize& size);

}  // namespace sluice
