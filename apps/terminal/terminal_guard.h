// TerminalGuard: a terminal whose modes are changed for a while, and given back whatever ends the program: return,
// exit, or a signal that can be caught.
#pragma once

#include <termios.h>

namespace sluice {

class TerminalGuard {
 public:
  // Changes nothing yet. The descriptor stays the caller's.
  explicit TerminalGuard(int descriptor);
  ~TerminalGuard() { restore(); }
  TerminalGuard(const TerminalGuard&) = delete;
  TerminalGuard& operator=(const TerminalGuard&) = delete;

  // No echo, no lines, no signals: every byte is the program's.
  bool make_raw();
  // Lines are ours to edit, output is as usual.
  bool make_silent();
  // Somebody else changes the modes: they are only to be given back should a signal end the program.
  bool keep();
  // The end of that: the modes were given back.
  void release();
  void restore();
  bool changed() const { return changed_; }
  bool is_terminal() const { return usable_; }
  // As it was before.
  const termios& original() const { return original_; }

 private:
  bool change(const termios& to);

  int descriptor_;
  bool usable_ = false;
  bool changed_ = false;
  termios original_{};
};

// Some guard holds a terminal raw: a new line of ours begins with a carriage return.
bool a_terminal_is_raw();

}  // namespace sluice
