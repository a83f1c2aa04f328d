// What both sides of LegacyTalk share, and its source.
#include "apps/sluice/scp/legacy_talk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/clock.h"

namespace sluice {
namespace {

constexpr size_t kPiece = 128 * 1024;

std::string errno_text() { return std::strerror(errno); }

}  // namespace

bool LegacyTalk::complain(const std::string& why) {
  std::fprintf(stderr, "scp: %s\n", fit_for_terminal(why, 4096).c_str());
  return good_ = false;
}

void LegacyTalk::say(std::string_view bytes) {
  while (!bytes.empty() && !broken_) {
    const ssize_t n = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR && !wishes_.interrupted()) continue;
    if (n <= 0)
      broken_ = true;
    else
      bytes.remove_prefix(static_cast<size_t>(n));
  }
}

bool LegacyTalk::read_all(char* to, size_t size) {
  while (size > 0 && !broken_) {
    const ssize_t n = ::recv(socket_, to, size, 0);
    if (n < 0 && errno == EINTR && !wishes_.interrupted()) continue;
    if (n <= 0) return broken_ = true, false;
    to += n;
    size -= static_cast<size_t>(n);
  }
  return !broken_;
}

std::optional<std::string> LegacyTalk::read_line() {
  std::string line;
  for (char c; read_all(&c, 1);) {
    if (c == '\n') return line;
    // As long as a path may be, with what is in front of it.
    if (line.size() > 8192) break;
    line.push_back(c);
  }
  broken_ = true;
  return std::nullopt;
}

bool LegacyTalk::hear() {
  char answer = 0;
  if (!read_all(&answer, 1)) return complain("lost connection");
  if (answer == 0) return true;
  std::string text;
  if (answer != 1 && answer != 2) text.push_back(answer);
  if (const auto line = read_line()) text += *line;
  // Two is the end of everything; what is no answer at all, too.
  if (answer != 1) broken_ = true;
  std::fprintf(stderr, "%s\n", fit_for_terminal(text, 4096).c_str());
  return good_ = false;
}

void LegacyTalk::pace(size_t bytes) {
  if (!wishes_.limit) return;
  wishes_.limit->spend(bytes, monotonic_clock().now_ns());
  while (const uint64_t ns = wishes_.limit->wait_ns(monotonic_clock().now_ns())) {
    const timespec pause{static_cast<time_t>(ns / 1'000'000'000), static_cast<long>(ns % 1'000'000'000)};
    if (wishes_.interrupted()) return;
    ::nanosleep(&pause, nullptr);
  }
}

bool LegacyTalk::send(const std::string& path) { return send_at(path, 0); }

bool LegacyTalk::send_at(const std::string& path, int depth) {
  if (broken_ || wishes_.interrupted()) return good_ = false;
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat facts {};
  if (!file || ::fstat(file.get(), &facts) != 0) return complain(path + ": " + errno_text());
  if (S_ISREG(facts.st_mode)) return send_file(path, file.get(), facts);
  if (S_ISDIR(facts.st_mode) && wishes_.recursive) return send_folder(path, facts, depth);
  return complain(path + ": not a regular file");
}

bool LegacyTalk::send_times(const struct stat& facts) {
  if (!wishes_.preserve) return true;
  std::array<char, 96> line{};
  std::snprintf(line.data(), line.size(), "T%llu 0 %llu 0\n",
                static_cast<unsigned long long>(std::max<time_t>(facts.st_mtime, 0)),
                static_cast<unsigned long long>(std::max<time_t>(facts.st_atime, 0)));
  say(line.data());
  return hear();
}

bool LegacyTalk::send_file(const std::string& path, int file, const struct stat& facts) {
  if (!send_times(facts)) return false;
  const uint64_t size = static_cast<uint64_t>(facts.st_size);
  const std::string name = base_name(path);
  std::array<char, 64> head{};
  std::snprintf(head.data(), head.size(), "C%04o %llu ", facts.st_mode & 07777, static_cast<unsigned long long>(size));
  say(head.data() + printable(name) + "\n");
  if (!hear()) return false;
  if (wishes_.meter) wishes_.meter->begin(fit_for_terminal(name), size, 0);
  std::vector<char> piece(kPiece);
  std::string fault;
  for (uint64_t done = 0; done < size && !broken_;) {
    const size_t wanted = std::min<uint64_t>(piece.size(), size - done);
    ssize_t got = fault.empty() ? ::pread(file, piece.data(), wanted, static_cast<off_t>(done)) : 0;
    if (got <= 0) {
      // So many bytes were promised.
      if (fault.empty()) fault = got < 0 ? errno_text() : "file became shorter";
      std::memset(piece.data(), 0, wanted);
      got = static_cast<ssize_t>(wanted);
    }
    say({piece.data(), static_cast<size_t>(got)});
    done += static_cast<uint64_t>(got);
    pace(static_cast<size_t>(got));
    if (wishes_.meter) wishes_.meter->moved(done);
    if (wishes_.interrupted()) broken_ = true;
  }
  if (fault.empty())
    say_ok();
  else
    say("\1scp: " + printable(name) + ": " + fault + "\n");
  const bool taken = hear();
  if (wishes_.meter) wishes_.meter->end(taken && fault.empty());
  if (!fault.empty()) return complain(path + ": " + fault);
  return taken;
}

bool LegacyTalk::send_folder(const std::string& path, const struct stat& facts, int depth) {
  if (depth >= kMaxTreeDepth) return complain(path + ": nested too deep");
  DIR* directory = ::opendir(path.c_str());
  if (!directory) return complain(path + ": " + errno_text());
  std::array<char, 32> head{};
  std::snprintf(head.data(), head.size(), "D%04o 0 ", facts.st_mode & 07777);
  bool good = send_times(facts);
  if (good) {
    const std::string name = base_name(path);
    say(head.data() + printable(name.empty() ? "." : name) + "\n");
    good = hear();
  }
  if (good) {
    while (const dirent* entry = ::readdir(directory)) {
      const std::string_view name = entry->d_name;
      if (broken_ || name == "." || name == "..") continue;
      good = send_at(path_in(path, name), depth + 1) && good;
    }
    say("E\n");
    good = hear() && good;
  }
  ::closedir(directory);
  return good;
}

}  // namespace sluice
