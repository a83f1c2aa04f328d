// What a client of a shared connection asks for, read from its messages: sessions, streams, forwarded ports.
#pragma once

#include <optional>

#include "apps/sluice/mux_protocol.h"
#include "control/client/config/forward_spec.h"
#include "services/client_session/client_channels.h"
#include "services/client_session/client_session.h"

namespace sluice {

struct MuxSession {
  uint32_t request = 0;
  SessionSpec spec = {};
  std::optional<StreamTarget> stream = {};  // instead of a session
  bool wants_agent = false;
};

struct MuxForwarding {
  uint32_t request = 0;
  ForwardSpec spec = {};
};

// Of whole messages. Nothing: malformed.
std::optional<MuxSession> read_mux_session(Bytes message);
std::optional<MuxForwarding> read_mux_forwarding(Bytes message);

}  // namespace sluice
