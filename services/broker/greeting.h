// What somebody who logs in on a terminal reads before his shell's first word.
#pragma once

#include <string>

#include "services/broker/channel_requests.h"
#include "services/broker/link_policy.h"
#include "services/broker/user_identity.h"

namespace sluice {

// Of /etc/motd: whoever writes it does not fill a terminal's queue by mistake.
inline constexpr size_t kMostMotd = 64 * 1024;

// Empty for commands, for programs without a terminal, and for who has a file .hushlogin. As the user, who reads the
// files with his own rights.
std::string greeting_for(const UserIdentity& identity, const LinkPolicy& policy, const SpawnProgram& spawn);

}  // namespace sluice
