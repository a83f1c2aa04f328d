// KnownHostsCommand: a program of the user's that prints lines of known_hosts.
#pragma once

#include "control/client/config/option_tokens.h"
#include "control/client/host_key_policy.h"

namespace sluice {

// Started without a shell, by an absolute path. Beside all other tokens: %f %K %t fingerprint, blob and type of the
// key, "NONE" where there is none yet; %H the name that is looked for, %I why.
ResultOrText<KnownHostsProgram> known_hosts_program(std::string_view command, const TokenFacts& facts);

}  // namespace sluice
