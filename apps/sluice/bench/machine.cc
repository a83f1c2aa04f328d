// /proc, uname(2), and programs that are asked for their version.
#include "apps/sluice/bench/machine.h"

#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "apps/sluice/bench/child_process.h"
#include "base/plain_text.h"
#include "drivers/driver_registry.h"

namespace sluice::bench {
namespace {

// The value of the first line that begins with that word.
std::string field_of(const char* path, std::string_view word, char separator) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(word)) continue;
    const size_t from = line.find_first_not_of(" \t\"", line.find(separator) + 1);
    if (from == line.npos) return {};
    return line.substr(from, line.find_last_not_of(" \t\"") + 1 - from);
  }
  return {};
}

unsigned usable_processors() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<unsigned>(CPU_COUNT(&set));
}

}  // namespace

std::string version_of(const std::string& program, const std::string& flag) {
  ChildOptions options;
  options.words = {program, flag};
  options.patience_seconds = 10;
  const ChildOutcome outcome = run_child(options);
  std::istringstream said(outcome.output);
  for (std::string line; std::getline(said, line);) {
    if (!line.empty()) return log_text(line);
  }
  return {};
}

MachineFacts this_machine() {
  MachineFacts facts;
  facts.cpu = field_of("/proc/cpuinfo", "model name", ':');
  facts.cpu_flags = field_of("/proc/cpuinfo", "flags", ':');
  if (facts.cpu_flags.empty()) facts.cpu_flags = field_of("/proc/cpuinfo", "Features", ':');
  facts.processors = usable_processors();
  utsname names{};
  ::uname(&names);
  facts.kernel = std::string(names.sysname) + " " + names.release + " " + names.machine;
  facts.system = field_of("/etc/os-release", "PRETTY_NAME", '=');
  facts.memory_gib = static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(::sysconf(_SC_PAGESIZE)) /
                     static_cast<double>(1u << 30);
  std::ifstream load("/proc/loadavg");
  for (std::string word; facts.load.size() < 15 && load >> word;) facts.load += (facts.load.empty() ? "" : " ") + word;
  facts.versions.emplace_back("sluice", std::string("0.1.0 ") + kCommit);
  for (const DriverNote& note : driver_notes())
    facts.versions.emplace_back("driver " + note.name, note.present ? "present" : note.reason);
  if (std::string ssh = version_of("ssh", "-V"); !ssh.empty()) facts.versions.emplace_back("ssh", std::move(ssh));
  return facts;
}

void write_machine(JsonWriter& json, const MachineFacts& machine) {
  json.open_object("machine").text("cpu", machine.cpu).number("processors", uint64_t{machine.processors});
  json.text("cpu_flags", machine.cpu_flags).text("kernel", machine.kernel).text("system", machine.system);
  json.number("memory_gib", machine.memory_gib).text("load", machine.load).text("commit", kCommit);
  json.open_object("versions");
  for (const auto& [name, version] : machine.versions) json.text(name, version);
  json.close_object().close_object();
}

MachineFacts read_machine(const JsonValue& value) {
  MachineFacts machine;
  machine.cpu = value["cpu"].string();
  machine.processors = static_cast<unsigned>(std::clamp(value["processors"].number, 0.0, 1e6));
  machine.kernel = value["kernel"].string();
  machine.system = value["system"].string();
  for (const auto& [name, version] : value["versions"].members) machine.versions.emplace_back(name, version.string());
  return machine;
}

}  // namespace sluice::bench
