// Where log lines are sent to: the system's log, the journal, the syslog of other hosts. None of it ever waits.
#pragma once

#include <ctime>
#include <string>
#include <string_view>

#include "base/log.h"
#include "base/unique_fd.h"

namespace sluice {

// The system's log by /dev/log, as syslog(3) speaks to it. Not that function itself: it waits for a log that does not
// read.
class SystemLog {
 public:
  void connect();
  void write(LogLevel level, std::string_view text);

 private:
  UniqueFd socket_;
  bool stream_ = false;
  std::time_t tried_ = 0;
};

// systemd's own protocol. Connected while the process still may; nothing where there is no journal.
UniqueFd connect_journal();
void write_journal(const UniqueFd& journal, LogLevel level, std::string_view text);

// RFC 5424 over RFC 5426.
UniqueFd connect_syslog_host(const std::string& address, unsigned port);
std::string syslog_message(LogLevel level, std::string_view host_name, std::string_view text);

}  // namespace sluice
