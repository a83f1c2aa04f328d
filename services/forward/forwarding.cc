// Names to what serves them.
#include "services/forward/forwarding.h"

#include "services/forward/agent_forwarding.h"
#include "services/forward/direct_open.h"
#include "services/forward/remote_listeners.h"

namespace sluice {

void add_forwarding(ServiceMakers& makers) {
  makers.channels["direct-tcpip"] = open_direct_tcpip;
  makers.channels["direct-streamlocal@openssh.com"] = open_direct_streamlocal;
  const auto with_listeners = [](void (RemoteListeners::*serve)(uint32_t, Bytes)) {
    return [serve](ConnectionServices& connection, uint32_t request, Bytes extra) {
      (connection.part<RemoteListeners>().*serve)(request, extra);
    };
  };
  makers.global_requests["tcpip-forward"] = with_listeners(&RemoteListeners::listen_tcp);
  makers.global_requests["cancel-tcpip-forward"] = with_listeners(&RemoteListeners::cancel_tcp);
  makers.global_requests["streamlocal-forward@openssh.com"] = with_listeners(&RemoteListeners::listen_unix);
  makers.global_requests["cancel-streamlocal-forward@openssh.com"] = with_listeners(&RemoteListeners::cancel_unix);
  makers.global_requests["no-more-sessions@openssh.com"] = [](ConnectionServices& connection, uint32_t request, Bytes) {
    // Heeded when it was heard.
    connection.answer_global(request, true);
  };
  makers.agent_request = request_agent;
}

}  // namespace sluice
