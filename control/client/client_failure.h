// Why a client's connection did not come about or ended: a kind for programs, a text for people.
#pragma once

#include <optional>
#include <string>

#include "control/auth/auth_messages.h"
#include "control/transport/kexinit.h"

namespace sluice {

enum class FailureKind : uint8_t {
  // Before there is a connection.
  host_not_found,
  connection_refused,
  connect_failed,
  connect_timeout,
  // Before a login.
  turned_away,  // closed before it said who it is: too many connections, or none from here
  version,
  no_common_algorithm,
  host_key_unknown,
  host_key_changed,
  host_key_revoked,
  host_key_declined,  // by the user
  host_key_unverified,
  permission_denied,
  login_timeout,
  // At any time.
  closed,        // the peer went away without a word
  disconnected,  // it said why
  server_silent,
  protocol,  // what the peer sent was refused
  overloaded,
};

struct ClientFailure {
  FailureKind kind;
  std::string text;
  std::optional<Disagreement> offers = {};  // no_common_algorithm
  MethodSet methods = {};                   // permission_denied: what the server would still take
  uint32_t reason = 0;                      // disconnected: RFC 4253 section 11.1
  // The server took our question whether it needs anything at all for one try too many.
  bool probe_was_counted = false;
};

}  // namespace sluice
