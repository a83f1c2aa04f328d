// The keeper: a process between us and a program, which inherits whoever that program leaves behind, so that their CPU
// is in the account too: lftp goes before its ssh, an sshd's session before its sftp server.
#pragma once

#include <sys/types.h>

namespace sluice::bench {

// What it writes into its pipe: when the program began, when it ended, and when nobody of it is left.
struct KeeperWord {
  pid_t program = 0;
  int status = 0;          // as wait(2) has it; of the second word
  double at = 0;           // on the monotonic clock, in seconds
  double cpu_seconds = 0;  // of all that have ended; of the third word
};

// How long those who are left behind are waited for.
inline constexpr double kLeftBehindSeconds = 10;

// In a process that was just forked off: never returns. `become` is run in the program's process, and does not either.
[[noreturn]] void keep(int pipe, void (*become)(void* what), void* what);

}  // namespace sluice::bench
