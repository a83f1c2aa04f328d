// Entries filled, then put in place, appended, and written at the user's offset.
#include "services/broker/login_records.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <lastlog.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utmp.h>

#include <array>
#include <cstring>
#include <ctime>
#include <string_view>

#include "base/unique_fd.h"

namespace sluice {
namespace {

// As sshd has it.
constexpr std::string_view kNoTerminal = "ssh:notty";

template <size_t kRoom>
void put(char (&field)[kRoom], std::string_view text) {
  std::memset(field, 0, kRoom);
  std::memcpy(field, text.data(), std::min(text.size(), kRoom));
}

std::string line_of(const TerminalLogin& login) { return "pts/" + std::to_string(login.terminal); }

// Terminals have an id of four characters; sshd's is the end of the line's name too.
std::string id_of(const TerminalLogin& login) {
  const std::string number = "ts/" + std::to_string(login.terminal);
  return number.substr(number.size() > 4 ? number.size() - 4 : 0);
}

void put_time(utmp& entry) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  entry.ut_tv.tv_sec = static_cast<int32_t>(now.tv_sec);
  entry.ut_tv.tv_usec = static_cast<int32_t>(now.tv_nsec / 1000);
}

void put_whom(utmp& entry, const std::string& user, const std::string& address) {
  put(entry.ut_user, user);
  put(entry.ut_host, address);
  in_addr v4{};
  in6_addr v6{};
  if (::inet_pton(AF_INET, address.c_str(), &v4) == 1)
    std::memcpy(entry.ut_addr_v6, &v4, sizeof v4);
  else if (::inet_pton(AF_INET6, address.c_str(), &v6) == 1)
    std::memcpy(entry.ut_addr_v6, &v6, sizeof v6);
}

utmp entry_of(const TerminalLogin& login, bool in) {
  utmp entry{};
  entry.ut_type = in ? USER_PROCESS : DEAD_PROCESS;
  entry.ut_pid = login.process;
  put(entry.ut_line, line_of(login));
  put(entry.ut_id, id_of(login));
  put_time(entry);
  if (!in) return entry;
  put_whom(entry, login.user, login.address);
  return entry;
}

void record(const RecordFiles& files, const utmp& entry) {
  if (::access(files.utmp.c_str(), W_OK) == 0) {
    ::utmpname(files.utmp.c_str());
    ::setutent();
    ::pututline(&entry);
    ::endutent();
  }
  ::updwtmp(files.wtmp.c_str(), &entry);
}

off_t place_of(uint32_t uid) { return static_cast<off_t>(uid) * static_cast<off_t>(sizeof(lastlog)); }

}  // namespace

void record_login(const RecordFiles& files, const TerminalLogin& login) {
  const utmp entry = entry_of(login, true);
  record(files, entry);
  const UniqueFd last(::open(files.lastlog.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!last) return;
  lastlog mine{};
  mine.ll_time = entry.ut_tv.tv_sec;
  put(mine.ll_line, line_of(login));
  put(mine.ll_host, login.address);
  (void)!::pwrite(last.get(), &mine, sizeof mine, place_of(login.uid));
}

void record_logout(const RecordFiles& files, const TerminalLogin& login) { record(files, entry_of(login, false)); }

void record_failed_login(const RecordFiles& files, const std::string& user, const std::string& address) {
  const UniqueFd file(::open(files.btmp.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat facts;
  if (!file || ::fstat(file.get(), &facts) != 0 || !S_ISREG(facts.st_mode)) return;
  if (facts.st_uid != ::geteuid() || (facts.st_mode & (S_IXGRP | S_IRWXO)) != 0) return;
  utmp entry{};
  entry.ut_type = LOGIN_PROCESS;
  entry.ut_pid = ::getpid();
  put(entry.ut_line, kNoTerminal);
  put_whom(entry, user, address);
  put_time(entry);
  // One that does not fit any more leaves no part of it.
  if (::write(file.get(), &entry, sizeof entry) != sizeof entry) (void)!::ftruncate(file.get(), facts.st_size);
}

std::string last_login_text(const RecordFiles& files, uint32_t uid) {
  const UniqueFd last(::open(files.lastlog.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  lastlog mine{};
  if (!last || ::pread(last.get(), &mine, sizeof mine, place_of(uid)) != sizeof mine || mine.ll_time == 0) return {};
  const time_t when = mine.ll_time;
  std::tm parts{};
  ::localtime_r(&when, &parts);
  std::array<char, 64> text{};
  std::strftime(text.data(), text.size(), "Last login: %a %b %e %H:%M:%S %Y", &parts);
  std::string line(text.data());
  const std::string_view host(mine.ll_host, ::strnlen(mine.ll_host, sizeof mine.ll_host));
  if (!host.empty()) line.append(" from ").append(host);
  return line;
}

}  // namespace sluice
