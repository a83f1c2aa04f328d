// The sink of this process' lines: a limit, and the places behind it.
#include "apps/sluiced/log_output.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "apps/sluiced/log_senders.h"
#include "apps/sluiced/log_stream.h"
#include "base/log.h"

namespace sluice {
namespace {

// Outlive every sink.
struct Outputs {
  std::mutex mutex;             // of hosts, and of the system's log
  std::vector<UniqueFd> hosts;  // connected
  SystemLog system;
  std::string host_name;
  LogStream error;
  LogStream file;
  LogStream transfers{LogStream::Around::time};
  UniqueFd journal;
};

Outputs& outputs() {
  static Outputs all;
  return all;
}

void write_hosts(LogLevel level, std::string_view text) {
  const std::string message = syslog_message(level, outputs().host_name, text);
  const std::lock_guard lock(outputs().mutex);
  for (const UniqueFd& host : outputs().hosts)
    [[maybe_unused]] const ssize_t n = ::send(host.get(), message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void write_system(LogLevel level, std::string_view text) {
  const std::lock_guard lock(outputs().mutex);
  outputs().system.write(level, text);
}

// Lines of this second beyond the limit are counted, and told of in the next. Errors are always written.
class LineLimit {
 public:
  explicit LineLimit(unsigned most) : most_(most) {}
  bool admits(LogLevel level) {
    if (level >= LogLevel::error) return true;
    const auto now = static_cast<int64_t>(std::time(nullptr));
    const std::lock_guard lock(mutex_);
    if (now != second_) {
      second_ = now;
      written_ = 0;
    }
    if (written_ < most_) return ++written_, true;
    ++dropped_;
    return false;
  }
  uint64_t take_dropped() {
    const std::lock_guard lock(mutex_);
    return written_ < most_ ? std::exchange(dropped_, 0) : 0;
  }

 private:
  const unsigned most_;
  std::mutex mutex_;
  int64_t second_ = 0;
  unsigned written_ = 0;
  uint64_t dropped_ = 0;
};

}  // namespace

LogLevel log_level_of(LogDetail detail) {
  switch (detail) {
    case LogDetail::debugging: return LogLevel::debug;
    case LogDetail::informational: return LogLevel::info;
    case LogDetail::notifications: return LogLevel::notice;
    case LogDetail::warnings: return LogLevel::warning;
    case LogDetail::errors: return LogLevel::error;
  }
  return LogLevel::info;
}

void set_log_platform(Platform platform) {
  set_line_form(platform == Platform::ios_xr ? LineForm::ios_xr
                : platform == Platform::ios  ? LineForm::ios
                                             : LineForm::plain);
}

void open_log(const ServerConfig& config, bool foreground) {
  const LogSettings& settings = config.log;
  set_log_platform(config.platform);
  // The zone's file cannot be read later, in an empty root.
  ::tzset();
  Outputs& out = outputs();
  const bool to_error = foreground && settings.standard_error;
  if (to_error) out.error.share(STDERR_FILENO);
  if (settings.journal && !out.journal) out.journal = connect_journal();
  const bool to_journal = settings.journal && out.journal, to_syslog = settings.syslog;
  UniqueFd file;
  if (!settings.file.empty()) file = open_log_file(settings.file.c_str());
  const int error = errno;
  const bool to_file = static_cast<bool>(file);
  set_log_level(log_level_of(settings.detail));
  // A reload in a process that may make no sockets any more keeps those that there are.
  std::vector<UniqueFd> hosts;
  for (const auto& [address, port] : settings.hosts)
    if (UniqueFd host = connect_syslog_host(address, port)) hosts.push_back(std::move(host));
  const bool to_hosts = !hosts.empty();
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  out.host_name = name.data();
  const auto limit = std::make_shared<LineLimit>(settings.lines_per_second);
  const auto write = [=](LogLevel level, std::string_view text) {
    if (to_error) outputs().error.write_line(text);
    if (to_file) outputs().file.write_line(text);
    if (to_journal) write_journal(outputs().journal, level, text);
    if (to_hosts) write_hosts(level, text);
    if (to_syslog) write_system(level, text);
  };
  set_log_sink([=](LogLevel level, std::string_view text) {
    if (!limit->admits(level)) return;
    if (const uint64_t dropped = limit->take_dropped(); dropped > 0)
      write(LogLevel::warning, std::to_string(dropped) + " lines were left out (logging rate-limit)");
    write(level, text);
  });
  {
    const std::lock_guard lock(out.mutex);
    out.hosts = std::move(hosts);
    if (to_syslog) out.system.connect();
  }
  out.file.take(std::move(file));
  if (!to_file && !settings.file.empty()) log_line(LogLevel::error, settings.file + ": " + std::strerror(error));
}

void open_transfer_log(const std::string& path) {
  if (path.empty()) return;
  outputs().transfers.take(open_log_file(path.c_str()));
  if (!outputs().transfers) log_line(LogLevel::error, path + ": " + std::strerror(errno));
}

void log_transfer(std::string_view text) { outputs().transfers.write_line(text); }

int log_file_descriptor() { return outputs().file.descriptor(); }

void take_log_file(UniqueFd file) {
  if (outputs().file) outputs().file.take(std::move(file));
}

}  // namespace sluice
