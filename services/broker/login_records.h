// Records of who is and was logged in on terminals: utmp, wtmp and lastlog, as `who`, `last` and `lastlog` read them;
// and of logins that failed: btmp, as `lastb` reads it.
//
// One thread: libc's functions for utmp share a file position.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace sluice {

// A file that is not there is not made: its administrator does not want it.
struct RecordFiles {
  std::string utmp = "/var/run/utmp";
  std::string wtmp = "/var/log/wtmp";
  std::string lastlog = "/var/log/lastlog";
  std::string btmp = "/var/log/btmp";
};

struct TerminalLogin {
  std::string user;
  uint32_t uid = 0;
  uint32_t terminal = 0;  // of /dev/pts
  pid_t process = 0;
  std::string address;  // numeric
};

void record_login(const RecordFiles& files, const TerminalLogin& login);
void record_logout(const RecordFiles& files, const TerminalLogin& login);

// Of a name and a secret that let nobody in. Names that are typed may be passwords: nothing is written where others
// than root and its group may read it.
void record_failed_login(const RecordFiles& files, const std::string& user, const std::string& address);

// "Last login: Mon Jan  5 10:00:00 2026 from 192.0.2.1"; empty for somebody's first, or where nobody may read it.
std::string last_login_text(const RecordFiles& files, uint32_t uid);

}  // namespace sluice
