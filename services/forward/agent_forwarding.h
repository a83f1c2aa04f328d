// Agent forwarding: a socket of the user's on the server whose connections are channels to the client's agent.
#pragma once

#include <functional>

#include "services/connection/connection_services.h"

namespace sluice {

// For auth-agent-req@openssh.com (OpenSSH's PROTOCOL.agent, section 6): the socket's handle, for SpawnProgram. One
// socket serves all the sessions of a connection. `then` is called once, at once or later.
void request_agent(ConnectionServices& connection, std::function<void(bool ok, uint32_t handle)> then);

}  // namespace sluice
