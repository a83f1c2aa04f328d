// Terminal modes as `pty-req` carries them (RFC 4254 section 8) and as the kernel knows them, both ways.
#pragma once

#include <termios.h>

#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace sluice {

struct TerminalMode {
  uint8_t opcode = 0;
  uint32_t argument = 0;
  bool operator==(const TerminalMode&) const = default;
};

// Up to the end, or to the first opcode whose argument's size nobody knows yet. A piece cut short is left out.
std::vector<TerminalMode> parse_terminal_modes(Bytes encoded);
// What this system has no mode for is passed over.
void apply_terminal_modes(const std::vector<TerminalMode>& modes, termios& terminal);
std::vector<uint8_t> encode_terminal_modes(const termios& terminal);

}  // namespace sluice
