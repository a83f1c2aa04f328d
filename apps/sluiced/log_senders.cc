// Levels to syslog's priorities, and each protocol's form of a line.
#include "apps/sluiced/log_senders.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <utility>

namespace sluice {
namespace {

constexpr std::string_view kJournal = "/run/systemd/journal/socket", kSystemLog = "/dev/log";

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

UniqueFd connect_to(std::string_view path, int type) {
  UniqueFd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  if (!socket || ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return {};
  return socket;
}

// A name of RFC 5424's: printable, without blanks, of so many octets.
std::string token(std::string_view text, size_t most) {
  std::string out;
  for (const char c : text.substr(0, most)) out.push_back(c > ' ' && c < 0x7f ? c : '_');
  return out.empty() ? "-" : out;
}

}  // namespace

void SystemLog::connect() {
  UniqueFd made = connect_to(kSystemLog, SOCK_DGRAM);
  const bool stream = !made && errno == EPROTOTYPE;
  if (stream) made = connect_to(kSystemLog, SOCK_STREAM);
  // Who may open nothing any more keeps what he has.
  if (!made) return;
  socket_ = std::move(made);
  stream_ = stream;
}

void SystemLog::write(LogLevel level, std::string_view text) {
  std::array<char, 32> when{};
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::localtime_r(&now, &parts);
  std::strftime(when.data(), when.size(), "%b %e %H:%M:%S", &parts);
  std::string message = "<" + std::to_string((LOG_AUTHPRIV & LOG_FACMASK) | priority_of(level)) + ">";
  message.append(when.data()).append(" sluiced[").append(std::to_string(::getpid())).append("]: ").append(text);
  if (stream_) message.push_back('\0');
  // One that was started again is another, looked for once a second; a process that may open nothing any more stays
  // without.
  for (int i = 0; i < 2; ++i) {
    const ssize_t n = ::send(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL);
    if (n >= 0 || errno == EAGAIN || errno == ENOBUFS || errno == EMSGSIZE || errno == ENOMEM || tried_ == now) return;
    connect();
    tried_ = now;
  }
}

UniqueFd connect_journal() { return connect_to(kJournal, SOCK_DGRAM); }

// Fields, one a line.
void write_journal(const UniqueFd& journal, LogLevel level, std::string_view text) {
  std::string entry = "SYSLOG_IDENTIFIER=sluiced\nSYSLOG_FACILITY=10\nPRIORITY=" + std::to_string(priority_of(level));
  entry.append("\nMESSAGE=").append(text).push_back('\n');
  [[maybe_unused]] const ssize_t n = ::send(journal.get(), entry.data(), entry.size(), MSG_NOSIGNAL);
}

// The routers' mnemonic is the message's id.
std::string syslog_message(LogLevel level, std::string_view host_name, std::string_view text) {
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
  std::string_view id;
  if (text.starts_with('%')) id = text.substr(1, std::min(text.find_first_of(": "), text.size()) - 1);
  const int priority = (LOG_AUTHPRIV & LOG_FACMASK) | priority_of(level);
  std::string message = "<" + std::to_string(priority) + ">1 " + when.data() + " " + token(host_name, 255) +
                        " sluiced " + std::to_string(::getpid()) + " " + token(id, 32) + " - ";
  return message.append(text);
}

UniqueFd connect_syslog_host(const std::string& address, unsigned port) {
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

}  // namespace sluice
