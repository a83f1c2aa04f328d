// One write for each line, with a carriage return while a session has the terminal.
#include "apps/sluice/client_log.h"

#include <fcntl.h>
#include <syslog.h>
#include <unistd.h>

#include <cstdlib>

#include "apps/sluice/terminal_dialog.h"
#include "apps/terminal/terminal_guard.h"
#include "base/debug_words.h"
#include "base/log.h"
#include "base/plain_text.h"

namespace sluice {

namespace {

LogLevel level_of(Verbosity verbosity) {
  return verbosity == Verbosity::debug     ? LogLevel::debug
         : verbosity == Verbosity::verbose ? LogLevel::info
         : verbosity == Verbosity::info    ? LogLevel::notice
                                           : LogLevel::error;
}

int facility_of(std::string_view name) {
  struct Facility {
    std::string_view name;
    int number;
  };
  constexpr Facility kFacilities[] = {{"daemon", LOG_DAEMON}, {"auth", LOG_AUTH}, {"authpriv", LOG_AUTHPRIV}};
  for (const Facility& one : kFacilities)
    if (one.name == name) return one.number;
  if (name.starts_with("local") && name.size() == 6) return (16 + (name[5] - '0')) << 3;
  return LOG_USER;
}

}  // namespace

void log_to_syslog(Verbosity verbosity, const std::string& facility) {
  ::openlog("sluice-ssh", LOG_PID, facility_of(facility));
  set_log_level(level_of(verbosity));
  set_log_sink([verbosity](LogLevel level, std::string_view text) {
    if (verbosity == Verbosity::quiet) return;
    const int priority = level == LogLevel::debug     ? LOG_DEBUG
                         : level == LogLevel::error   ? LOG_ERR
                         : level == LogLevel::warning ? LOG_WARNING
                                                      : LOG_INFO;
    ::syslog(priority, "%.*s", static_cast<int>(text.size()), text.data());
  });
}

void complain(std::string_view text) { TerminalDialog::print(std::string(text) + "\n"); }

bool set_client_log(Verbosity verbosity, const std::string& file) {
  // As a shell of operators runs us for one who debugs. Not what we run in turn.
  if (std::getenv("SLUICE_CLIENT_DEBUG") != nullptr) {
    ::unsetenv("SLUICE_CLIENT_DEBUG");
    client_debug_sink = [](std::string_view line) { TerminalDialog::print(log_text(line) + "\n"); };
    debug_wanted = kDebugDetail | kDebugClient;
  }
  int to = STDERR_FILENO;
  if (!file.empty()) {
    to = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (to < 0) return false;
    // What is not logged but said goes there as well, as with stock ssh.
    ::dup2(to, STDERR_FILENO);
  }
  set_log_level(level_of(verbosity));
  set_log_sink([verbosity](LogLevel level, std::string_view text) {
    if (verbosity == Verbosity::quiet) return;
    TerminalDialog::print((level == LogLevel::debug ? "debug1: " : "") + std::string(text) + "\n");
  });
  return true;
}

}  // namespace sluice
