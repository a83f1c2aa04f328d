// ProgramPlan: which program a request comes to, with which words and which environment. Pure: the policy's rules for
// programs are all here.
#pragma once

#include <optional>

#include "services/broker/channel_requests.h"
#include "services/broker/file_operations.h"
#include "services/broker/link_policy.h"
#include "services/broker/user_identity.h"

namespace sluice {

// Variables that one program may be given by a client.
inline constexpr size_t kMaxClientVariables = 128;

struct ProgramPlan {
  std::string path;
  std::vector<std::string> words;  // argv, [0] included
  std::vector<std::string> environment;
  std::string folder;
  // What prepares the session: .ssh/rc in the home folder, else the system's, where there is one.
  bool user_rc = false;
  std::vector<std::string> rc_words;
  std::optional<TerminalRequest> terminal;
  // What is on the terminal before the program's own words.
  std::string greeting;
};

// agent_path: of the link's agent socket; empty: none.
Outcome<ProgramPlan> plan_program(const UserIdentity& identity, const LinkPolicy& policy, const SpawnProgram& request,
                                  const std::string& agent_path);

}  // namespace sluice
