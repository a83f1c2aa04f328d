// What a configuration means for logins, in the terms of the monitor and its back ends.
#pragma once

#include "control/auth/backends/system_users.h"
#include "control/config/server_config.h"
#include "control/monitor/login_state.h"

namespace sluice {

SystemUsersConfig system_users_config(const ServerConfig& config);
LoginRules login_rules(const ServerConfig& config);

}  // namespace sluice
