// The machine that figures come from, and the versions of what ran there.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "apps/json_writer.h"
#include "apps/sluice/bench/json_reader.h"

namespace sluice::bench {

struct MachineFacts {
  std::string cpu;
  unsigned processors = 0;  // that this process may use
  std::string cpu_flags;
  std::string kernel;
  std::string system;
  double memory_gib = 0;
  std::string load;  // the load averages when the run began
  // Program or library, and what it says of itself.
  std::vector<std::pair<std::string, std::string>> versions;
};

MachineFacts this_machine();
// The first line that the program says when asked by that flag, on either stream; empty where it cannot be run.
std::string version_of(const std::string& program, const std::string& flag);

void write_machine(JsonWriter& json, const MachineFacts& machine);
MachineFacts read_machine(const JsonValue& value);

// The source that this program was built from, as git describes it.
extern const char* const kCommit;

}  // namespace sluice::bench
