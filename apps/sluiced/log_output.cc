// Levels to syslog's priorities, and times for people.
#include "apps/sluiced/log_output.h"

#include <fcntl.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/log.h"

namespace sluice {
namespace {

constexpr std::string_view kJournal = "/run/systemd/journal/socket";
// Who logged in when is not everybody's business.
constexpr mode_t kFileMode = 0640;

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

// Outlive every sink.
struct Outputs {
  std::mutex hosts_mutex;
  std::vector<UniqueFd> hosts;  // connected
  std::string host_name;
  UniqueFd file;
  UniqueFd journal;
  UniqueFd transfers;
};

Outputs& outputs() {
  static Outputs all;
  return all;
}

// systemd's own protocol: fields, one a line. Connected now, since later there is no path to it.
UniqueFd connect_journal() {
  UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, kJournal.data(), kJournal.size());
  if (!socket || ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return {};
  return socket;
}

void write_journal(LogLevel level, std::string_view text) {
  std::string entry = "SYSLOG_IDENTIFIER=sluiced\nSYSLOG_FACILITY=10\nPRIORITY=" + std::to_string(priority_of(level));
  entry.append("\nMESSAGE=").append(text).push_back('\n');
  [[maybe_unused]] const ssize_t n = ::send(outputs().journal.get(), entry.data(), entry.size(), MSG_NOSIGNAL);
}

// RFC 5424 over RFC 5426. The routers' mnemonic is the message's id.
void write_hosts(LogLevel level, std::string_view text) {
  using namespace std::chrono;
  const auto now = system_clock::now();
  const std::time_t second = system_clock::to_time_t(now);
  std::tm parts{};
  ::gmtime_r(&second, &parts);
  std::array<char, 32> day{};
  std::strftime(day.data(), day.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  const auto ms = duration_cast<milliseconds>(now.time_since_epoch()).count() % 1000;
  std::array<char, 48> when{};
  std::snprintf(when.data(), when.size(), "%s.%03dZ", day.data(), static_cast<int>(ms));
  std::string id = "-";
  if (text.starts_with('%')) id = text.substr(1, std::min<size_t>(text.find(' '), 33) - 1);
  const int priority = (LOG_AUTHPRIV & LOG_FACMASK) | priority_of(level);
  std::string message = "<" + std::to_string(priority) + ">1 " + when.data() + " " + outputs().host_name + " sluiced " +
                        std::to_string(::getpid()) + " " + id + " - ";
  message.append(text);
  const std::lock_guard lock(outputs().hosts_mutex);
  for (const UniqueFd& host : outputs().hosts)
    [[maybe_unused]] const ssize_t n = ::send(host.get(), message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

UniqueFd connect_host(const std::string& address, unsigned port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (::getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return {};
  UniqueFd socket(::socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const bool connected = socket && ::connect(socket.get(), found->ai_addr, found->ai_addrlen) == 0;
  ::freeaddrinfo(found);
  return connected ? std::move(socket) : UniqueFd();
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

// One write a line, so that lines of several processes do not mix.
void write_line(int descriptor, std::string_view text) {
  std::array<char, 32> when{};
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::localtime_r(&now, &parts);
  std::strftime(when.data(), when.size(), "%b %e %H:%M:%S ", &parts);
  std::string line(when.data());
  line.append(text);
  line.push_back('\n');
  [[maybe_unused]] const ssize_t n = ::write(descriptor, line.data(), line.size());
}

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

void open_log(const LogSettings& settings, bool foreground) {
  // The zone's file cannot be read later, in an empty root.
  ::tzset();
  const bool to_error = foreground && settings.standard_error;
  const bool to_syslog = settings.syslog;
  if (to_syslog) ::openlog("sluiced", LOG_PID | LOG_NDELAY, LOG_AUTHPRIV);
  if (settings.journal && !outputs().journal) outputs().journal = connect_journal();
  const bool to_journal = settings.journal && outputs().journal;
  UniqueFd file;
  if (!settings.file.empty())
    file = UniqueFd(::open(settings.file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, kFileMode));
  const int error = errno;
  const bool to_file = static_cast<bool>(file);
  set_log_level(log_level_of(settings.detail));
  // A reload in a process that may make no sockets any more keeps those that there are.
  std::vector<UniqueFd> hosts;
  for (const auto& [address, port] : settings.hosts)
    if (UniqueFd host = connect_host(address, port)) hosts.push_back(std::move(host));
  const bool to_hosts = !hosts.empty();
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  outputs().host_name = name[0] ? name.data() : "-";
  const auto limit = std::make_shared<LineLimit>(settings.lines_per_second);
  const auto write = [=](LogLevel level, std::string_view text) {
    if (to_error) write_line(STDERR_FILENO, text);
    if (to_file) write_line(outputs().file.get(), text);
    if (to_journal) write_journal(level, text);
    if (to_hosts) write_hosts(level, text);
    if (to_syslog) ::syslog(priority_of(level), "%.*s", static_cast<int>(text.size()), text.data());
  };
  set_log_sink([=](LogLevel level, std::string_view text) {
    if (!limit->admits(level)) return;
    if (const uint64_t dropped = limit->take_dropped(); dropped > 0)
      write(LogLevel::warning, std::to_string(dropped) + " lines were left out (logging rate-limit)");
    write(level, text);
  });
  const std::lock_guard lock(outputs().hosts_mutex);
  outputs().hosts = std::move(hosts);
  // Lines of other threads on their way have the old file's number.
  if (to_file && outputs().file)
    ::dup3(file.get(), outputs().file.get(), O_CLOEXEC);
  else if (to_file)
    outputs().file = std::move(file);
  else if (!settings.file.empty())
    log_line(LogLevel::error, settings.file + ": " + std::strerror(error));
}

void open_transfer_log(const std::string& path) {
  if (path.empty()) return;
  outputs().transfers = UniqueFd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, kFileMode));
  if (!outputs().transfers) log_line(LogLevel::error, path + ": " + std::strerror(errno));
}

void log_transfer(std::string_view text) {
  if (outputs().transfers) write_line(outputs().transfers.get(), text);
}

int log_file_descriptor() { return outputs().file.get(); }

void take_log_file(UniqueFd file) {
  if (outputs().file && file) ::dup3(file.get(), outputs().file.get(), O_CLOEXEC);
}

}  // namespace sluice
