// LoginPolicy: which accounts of the system may log in, as sshd treats them. Pure: the facts come in, a reason goes
// out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/auth/auth_messages.h"
#include "control/auth/backends/login_backend.h"

namespace sluice {

enum class RootLogin : uint8_t { no, forced_commands_only, prohibit_password, yes };

struct LoginPolicy {
  RootLogin root_login = RootLogin::prohibit_password;
  // Patterns "user" or "user@host" with '*', '?'; the host part is also compared with the address, CIDR included.
  std::vector<std::string> allow_users = {};
  std::vector<std::string> deny_users = {};
  std::vector<std::string> allow_groups = {};
  std::vector<std::string> deny_groups = {};
  std::string nologin_path = "/etc/nologin";
  bool strict_modes = true;
  // Below the home unless absolute; %h and %u are replaced.
  std::vector<std::string> authorized_keys{".ssh/authorized_keys", ".ssh/authorized_keys2"};
};

struct AccountFacts {
  std::string name;
  uint32_t uid = 0;
  std::vector<std::string> groups;
  std::string shell;
  bool shell_runs = false;  // exists, a regular file, executable
  // Where there is a nologin file: what it says.
  std::optional<std::string> nologin = {};
  // Of the shadow entry, where it was read.
  bool locked = false;   // the hash begins with '!'
  bool expired = false;  // the account, not the password
};

// Why the account may not log in at all; nothing when it may.
std::optional<std::string> refusal_of(const LoginPolicy& policy, const AccountFacts& facts, const LoginSource& source);
// Logins are off for all but root.
bool is_shut_out(const AccountFacts& facts);
// Whether the method is one that root may use.
bool root_may_use(RootLogin root_login, AuthMethod method);
// Whether a key that is worth this permit lets root in.
bool root_may_enter(RootLogin root_login, const Permit& permit);

}  // namespace sluice
