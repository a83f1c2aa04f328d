// ProgramStreams: what a program's first three descriptors are connected to: pipes, or a terminal.
#pragma once

#include <array>
#include <string>

#include "services/broker/channel_requests.h"
#include "services/broker/file_operations.h"

namespace sluice {

struct ProgramStreams {
  std::vector<UniqueFd> ends;     // ours, non-blocking
  std::array<UniqueFd, 3> inner;  // the program's
  UniqueFd terminal;              // a second descriptor of the terminal, to change its size by
  std::string terminal_name;
};

Outcome<ProgramStreams> open_pipes(bool ample);
Outcome<ProgramStreams> open_terminal(const TerminalRequest& request);
Outcome<void> resize_terminal(int terminal, const TerminalSize& size);

}  // namespace sluice
