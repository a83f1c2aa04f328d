// Program: one that a broker started: begun, signalled, its end collected.
#pragma once

#include <sys/types.h>

#include "services/broker/broker_protocol.h"
#include "services/broker/program_plan.h"

namespace sluice {

class Program {
 public:
  struct Started;

  // ample: pipes of a megabyte each; the kernel grants a user only some of those.
  static Outcome<Started> start(ProgramPlan plan, bool ample);

  Program(Program&&) = default;
  Program& operator=(Program&&) = default;

  // Readable when it has ended.
  int descriptor() const { return process_.get(); }
  pid_t process() const { return pid_; }
  // False once it was hung up.
  bool has_terminal() const { return static_cast<bool>(terminal_); }
  uint32_t terminal_number() const { return terminal_number_; }
  UniqueFd second_terminal() const;
  // Its end; once descriptor() is readable, once.
  ChildExited collect();
  Outcome<void> signal(std::string_view name) const;
  Outcome<void> resize(const TerminalSize& size) const;
  // What a terminal's programs are told when the line drops; the others see their pipes end.
  void hang_up();

 private:
  Program(pid_t pid, UniqueFd process, UniqueFd terminal, uint32_t terminal_number)
      : pid_(pid), process_(std::move(process)), terminal_(std::move(terminal)), terminal_number_(terminal_number) {}

  pid_t pid_;
  UniqueFd process_;
  UniqueFd terminal_;
  uint32_t terminal_number_;
};

struct Program::Started {
  Program program;
  // Our ends: stdin, stdout, stderr; or the terminal. Non-blocking.
  std::vector<UniqueFd> ends;
  // On a terminal: it begins when nobody has this any more.
  UniqueFd gate;
};

}  // namespace sluice
