// /proc/PID/stat of all processes, once; brokers are the last of their name on each branch.
#include "apps/sluiced/broker_census.h"

#include <dirent.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>

namespace sluice {
namespace {

// As a broker names itself.
constexpr std::string_view kOwnName = "sluiced-user";
// Looked at: a host that has more is told of in part.
constexpr size_t kMostProcesses = 100'000;

struct Process {
  std::string name;
  pid_t parent = 0;
  uint64_t began_ticks = 0, pages = 0;
  bool ours = false;      // below the starter
  bool has_heir = false;  // of our own name
  uint64_t programs = 0;
};

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

// "PID (NAME) STATE PPID ...": the name may have anything in it.
bool read_stat(pid_t pid, Process& out) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  if (!std::getline(file, text)) return false;
  const size_t open = text.find('('), close = text.rfind(')');
  if (open == text.npos || close == text.npos || close < open) return false;
  out.name = text.substr(open + 1, close - open - 1);
  std::istringstream fields(text.substr(close + 1));
  std::string field;
  // Numbers of proc(5): 4 the parent, 22 when it began, 24 its resident pages.
  for (int number = 3; fields >> field; ++number) {
    const auto value = [&](auto& to) { std::from_chars(field.data(), field.data() + field.size(), to); };
    if (number == 4) value(out.parent);
    if (number == 22) value(out.began_ticks);
    if (number == 24) return value(out.pages), true;
  }
  return false;
}

std::map<pid_t, Process> all_processes() {
  std::map<pid_t, Process> all;
  const std::unique_ptr<DIR, CloseFolder> folder(::opendir("/proc"));
  while (const dirent* entry = folder ? ::readdir(folder.get()) : nullptr) {
    const std::string_view name = entry->d_name;
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error != std::errc() || end != name.data() + name.size() || all.size() >= kMostProcesses) continue;
    if (Process process; read_stat(pid, process)) all[pid] = std::move(process);
  }
  return all;
}

bool below(const std::map<pid_t, Process>& all, pid_t pid, pid_t top) {
  // As deep as processes of ours come; a parent that has ended is process 1.
  constexpr int kDeepest = 64;
  for (int i = 0; i < kDeepest; ++i) {
    const auto found = all.find(pid);
    if (found == all.end()) return false;
    if (found->second.parent == top) return true;
    pid = found->second.parent;
  }
  return false;
}

std::string user_of(pid_t pid) {
  struct stat facts {};
  if (::stat(("/proc/" + std::to_string(pid)).c_str(), &facts) != 0) return {};
  std::array<char, 4096> room{};
  passwd entry{};
  passwd* found = nullptr;
  const bool known = ::getpwuid_r(facts.st_uid, &entry, room.data(), room.size(), &found) == 0 && found != nullptr;
  return known ? found->pw_name : "uid " + std::to_string(facts.st_uid);
}

uint64_t uptime_seconds() {
  double seconds = 0;
  std::ifstream("/proc/uptime") >> seconds;
  return static_cast<uint64_t>(seconds);
}

}  // namespace

std::vector<BrokerFacts> brokers_below(pid_t starter) {
  auto all = all_processes();
  for (auto& [pid, process] : all) process.ours = below(all, pid, starter);
  for (auto& [pid, process] : all) {
    const auto parent = all.find(process.parent);
    if (!process.ours || parent == all.end()) continue;
    if (process.name == kOwnName)
      parent->second.has_heir = true;
    else
      ++parent->second.programs;
  }
  const auto ticks = static_cast<uint64_t>(std::max(1L, ::sysconf(_SC_CLK_TCK)));
  const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  const uint64_t now = uptime_seconds();
  std::vector<BrokerFacts> brokers;
  for (const auto& [pid, process] : all) {
    if (!process.ours || process.name != kOwnName || process.has_heir) continue;
    const uint64_t began = process.began_ticks / ticks;
    brokers.push_back(
        {pid, user_of(pid), now > began ? now - began : 0, process.programs, process.pages * page / 1024});
  }
  return brokers;
}

}  // namespace sluice
