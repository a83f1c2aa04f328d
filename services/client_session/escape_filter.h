// EscapeFilter: what a user types in a session with a terminal, with ssh(1)'s escapes taken out: an escape character at
// the beginning of a line and what follows it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace sluice {

enum class EscapeOrder : uint8_t {
  disconnect,  // ~.
  suspend,     // ~^Z
  list,        // ~#
  help,        // ~?
  background,  // ~&
  send_break,  // ~B
  rekey,       // ~R
  louder,      // ~v
  quieter,     // ~V
  command,     // ~C and a line, in `words`
  count_,
};

struct EscapeEvent {
  EscapeOrder order;
  std::string words = {};
};

// What somebody types after ~C and never ends.
inline constexpr size_t kMaxEscapeLine = 512;

class EscapeFilter {
 public:
  // `escape`: the character, or -1: everything passes. Without `command_line` there is no ~C.
  EscapeFilter(int escape, bool command_line) : escape_(escape), command_line_(command_line) {}

  struct Taken {
    std::vector<uint8_t> data;        // for the server
    std::vector<EscapeEvent> events;  // in their order
    std::string echo;                 // for the user's terminal
  };
  Taken take(Bytes typed);

  // The lines of ~?.
  static std::string help(int escape, bool command_line);

 private:
  void take_after_escape(uint8_t c, Taken& out);
  void take_command_character(uint8_t c, Taken& out);

  int escape_;
  bool command_line_;
  bool line_begins_ = true;
  bool escaped_ = false;
  bool in_command_ = false;
  std::string command_;
};

}  // namespace sluice
