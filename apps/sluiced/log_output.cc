// Levels to syslog's priorities, and times for people.
#include "apps/sluiced/log_output.h"

#include <syslog.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <ctime>
#include <string>

#include "base/log.h"

namespace sluice {
namespace {

int priority_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return LOG_DEBUG;
    case LogLevel::info: return LOG_INFO;
    case LogLevel::notice: return LOG_NOTICE;
    case LogLevel::warning: return LOG_WARNING;
    case LogLevel::error: return LOG_ERR;
  }
  return LOG_ERR;
}

LogLevel level_of(LogDetail detail) {
  switch (detail) {
    case LogDetail::debugging: return LogLevel::debug;
    case LogDetail::informational: return LogLevel::info;
    case LogDetail::notifications: return LogLevel::notice;
    case LogDetail::warnings: return LogLevel::warning;
    case LogDetail::errors: return LogLevel::error;
  }
  return LogLevel::info;
}

// One write a line, so that lines of several processes do not mix.
void write_line(std::string_view text) {
  std::array<char, 32> when{};
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::localtime_r(&now, &parts);
  std::strftime(when.data(), when.size(), "%b %e %H:%M:%S ", &parts);
  std::string line(when.data());
  line.append(text);
  line.push_back('\n');
  [[maybe_unused]] const ssize_t n = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace

void open_log(const LogSettings& settings, bool foreground) {
  // The zone's file cannot be read later, in an empty root.
  ::tzset();
  const bool to_error = foreground && settings.standard_error;
  const bool to_syslog = settings.syslog;
  if (to_syslog) ::openlog("sluiced", LOG_PID | LOG_NDELAY, LOG_AUTHPRIV);
  set_log_level(level_of(settings.detail));
  set_log_sink([to_error, to_syslog](LogLevel level, std::string_view text) {
    if (to_error) write_line(text);
    if (to_syslog) ::syslog(priority_of(level), "%.*s", static_cast<int>(text.size()), text.data());
  });
}

}  // namespace sluice
