// From what the monitor decided about somebody to who his broker is and what it does for him.
#pragma once

#include "control/auth/backends/login_backend.h"
#include "control/config/server_config.h"
#include "services/broker/link_policy.h"
#include "services/broker/user_identity.h"

namespace sluice {

// A local user of the router kind runs as the account that the configuration names for them; without one there is none.
// With PAM a connection, by its number, has a session of its own.
ResultOrText<UserIdentity> identity_for(const Permit& permit, const ServerConfig& config, const LoginSource& source,
                                        uint32_t connection);
LinkPolicy link_policy_for(const UserIdentity& user, const Permit& permit, const ServerConfig& config,
                           const LoginSource& source);

// The shell of who is an operator: as configured, or the sluicectl beside this program.
std::string management_shell(const ServerConfig& config);

}  // namespace sluice
