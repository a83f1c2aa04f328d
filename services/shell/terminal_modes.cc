// RFC 4254 section 8 as three tables: characters, flags, speeds.
#include "services/shell/terminal_modes.h"

#include <algorithm>
#include <array>

#include "base/wire.h"

namespace sluice {
namespace {

constexpr uint8_t kEnd = 0;
constexpr uint8_t kFirstUnknownSize = 160;
constexpr uint8_t kCs7 = 90, kCs8 = 91;
constexpr uint8_t kInputSpeed = 128, kOutputSpeed = 129;
// Stands for "no character"; the kernel's own sign for that is 0.
constexpr uint32_t kNoCharacter = 255;
// There are 57 opcodes: more are repetitions.
constexpr size_t kMaxModes = 256;

struct Character {
  uint8_t opcode;
  uint8_t index;
};
constexpr Character kCharacters[] = {{1, VINTR},     {2, VQUIT},    {3, VERASE},  {4, VKILL},  {5, VEOF},
                                     {6, VEOL},      {7, VEOL2},    {8, VSTART},  {9, VSTOP},  {10, VSUSP},
                                     {12, VREPRINT}, {13, VWERASE}, {14, VLNEXT}, {16, VSWTC}, {18, VDISCARD}};

struct Flag {
  uint8_t opcode;
  tcflag_t termios::*word;
  tcflag_t bit;
};
constexpr Flag kFlags[] = {
    {30, &termios::c_iflag, IGNPAR}, {31, &termios::c_iflag, PARMRK}, {32, &termios::c_iflag, INPCK},
    {33, &termios::c_iflag, ISTRIP}, {34, &termios::c_iflag, INLCR},  {35, &termios::c_iflag, IGNCR},
    {36, &termios::c_iflag, ICRNL},  {37, &termios::c_iflag, IUCLC},  {38, &termios::c_iflag, IXON},
    {39, &termios::c_iflag, IXANY},  {40, &termios::c_iflag, IXOFF},  {41, &termios::c_iflag, IMAXBEL},
    {42, &termios::c_iflag, IUTF8},  {50, &termios::c_lflag, ISIG},   {51, &termios::c_lflag, ICANON},
    {52, &termios::c_lflag, XCASE},  {53, &termios::c_lflag, ECHO},   {54, &termios::c_lflag, ECHOE},
    {55, &termios::c_lflag, ECHOK},  {56, &termios::c_lflag, ECHONL}, {57, &termios::c_lflag, NOFLSH},
    {58, &termios::c_lflag, TOSTOP}, {59, &termios::c_lflag, IEXTEN}, {60, &termios::c_lflag, ECHOCTL},
    {61, &termios::c_lflag, ECHOKE}, {62, &termios::c_lflag, PENDIN}, {70, &termios::c_oflag, OPOST},
    {71, &termios::c_oflag, OLCUC},  {72, &termios::c_oflag, ONLCR},  {73, &termios::c_oflag, OCRNL},
    {74, &termios::c_oflag, ONOCR},  {75, &termios::c_oflag, ONLRET}, {92, &termios::c_cflag, PARENB},
    {93, &termios::c_cflag, PARODD}};

struct Speed {
  speed_t code;
  uint32_t bits;
};
constexpr Speed kSpeeds[] = {{B0, 0},          {B50, 50},       {B75, 75},         {B110, 110},       {B134, 134},
                             {B150, 150},      {B200, 200},     {B300, 300},       {B600, 600},       {B1200, 1200},
                             {B1800, 1800},    {B2400, 2400},   {B4800, 4800},     {B9600, 9600},     {B19200, 19200},
                             {B38400, 38400},  {B57600, 57600}, {B115200, 115200}, {B230400, 230400}, {B460800, 460800},
                             {B921600, 921600}};

uint32_t bits_of(speed_t code) {
  for (const Speed& speed : kSpeeds)
    if (speed.code == code) return speed.bits;
  return 9600;
}

void apply(const TerminalMode& mode, termios& terminal) {
  for (const Character& each : kCharacters) {
    if (each.opcode != mode.opcode) continue;
    terminal.c_cc[each.index] = mode.argument == kNoCharacter ? cc_t{0} : static_cast<cc_t>(mode.argument);
    return;
  }
  for (const Flag& flag : kFlags) {
    if (flag.opcode != mode.opcode) continue;
    tcflag_t& word = terminal.*flag.word;
    word = mode.argument != 0 ? word | flag.bit : word & ~flag.bit;
    return;
  }
  // The sizes share bits: one is chosen by what is set, not by what is cleared.
  if ((mode.opcode == kCs7 || mode.opcode == kCs8) && mode.argument != 0)
    terminal.c_cflag = (terminal.c_cflag & ~tcflag_t{CSIZE}) | (mode.opcode == kCs7 ? CS7 : CS8);
  for (const Speed& speed : kSpeeds) {
    if (speed.bits != mode.argument) continue;
    if (mode.opcode == kInputSpeed) (void)::cfsetispeed(&terminal, speed.code);
    if (mode.opcode == kOutputSpeed) (void)::cfsetospeed(&terminal, speed.code);
  }
}

}  // namespace

std::vector<TerminalMode> parse_terminal_modes(Bytes encoded) {
  std::vector<TerminalMode> modes;
  WireReader in(encoded);
  while (!in.at_end() && modes.size() < kMaxModes) {
    const uint8_t opcode = in.u8();
    if (opcode == kEnd || opcode >= kFirstUnknownSize) break;
    const uint32_t argument = in.u32();
    if (!in.ok()) break;
    modes.push_back({opcode, argument});
  }
  return modes;
}

void apply_terminal_modes(const std::vector<TerminalMode>& modes, termios& terminal) {
  for (const TerminalMode& mode : modes) apply(mode, terminal);
}

std::vector<uint8_t> encode_terminal_modes(const termios& terminal) {
  WireWriter out;
  out.u8(kOutputSpeed).u32(bits_of(::cfgetospeed(&terminal)));
  out.u8(kInputSpeed).u32(bits_of(::cfgetispeed(&terminal)));
  for (const Character& each : kCharacters) {
    const cc_t value = terminal.c_cc[each.index];
    out.u8(each.opcode).u32(value == 0 ? kNoCharacter : value);
  }
  for (const Flag& flag : kFlags) out.u8(flag.opcode).u32((terminal.*flag.word & flag.bit) != 0 ? 1 : 0);
  const tcflag_t size = terminal.c_cflag & CSIZE;
  out.u8(kCs7).u32(size == CS7 ? 1 : 0).u8(kCs8).u32(size == CS8 ? 1 : 0);
  return out.u8(kEnd).take();
}

}  // namespace sluice
