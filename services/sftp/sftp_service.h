// The SFTP server as a service of a session channel.
#pragma once

#include <memory>

#include "services/connection/connection_services.h"

namespace sluice {

std::unique_ptr<Service> make_sftp_service(ConnectionServices& connection);

}  // namespace sluice
