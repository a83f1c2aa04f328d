// The legacy scp protocol inside, without a program: which service an exec's command comes to.
#pragma once

#include "services/connection/connection_services.h"

namespace sluice {

// What ServiceMakers::scp is. Null: no scp server's command (`scp -t` or `-f`, as clients send it), or one that takes a
// shell to be understood.
std::unique_ptr<Service> make_scp_service(ConnectionServices& connection, std::string_view command);

}  // namespace sluice
