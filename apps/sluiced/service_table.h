// Which service answers what in this server, and a configuration's settings in the services' terms.
#pragma once

#include "control/auth/permit.h"
#include "control/config/server_config.h"
#include "services/connection/connection_services.h"

namespace sluice {

const ServiceMakers& service_makers();
ServiceSettings service_settings(const ServerConfig& config);
LoginFacts login_facts(const Permit& permit, const std::string& source);

}  // namespace sluice
