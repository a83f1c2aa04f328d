// The system's side of a login: PAM's session, opened by a root process that waits for its end.
#pragma once

#include "services/broker/user_process.h"

namespace sluice {

// For identities that have a session; nothing for others.
ResultOrText<SessionCloser> open_login_session(UserIdentity& identity);

}  // namespace sluice
