// Becoming a user: from a fork of the starter to a process that has that user's rights and no way back.
#pragma once

#include <functional>

#include "base/result.h"
#include "base/unique_fd.h"
#include "services/broker/user_identity.h"

namespace sluice {

// Run while still privileged: opens what the system calls a session (PAM, limits, login records). What it adds to the
// identity's environment every program gets. A text refuses the broker.
using SessionHook = std::function<ResultOrText<void>(UserIdentity&)>;

// Closes every descriptor but the first three and `kept`, which gets a low number.
ResultOrText<void> keep_only(UniqueFd& kept);
// /dev/null as the first three.
ResultOrText<void> silence_streams();
// Session, hook, root, groups, gid, uid, umask, in this order. As an ordinary user: that user's own identity alone.
ResultOrText<void> become_user(UserIdentity& identity, const SessionHook& session);
// Whether a folder can be a root: neither it nor one above it may be changed by anybody but root, who would otherwise
// put files in it that programs believe.
ResultOrText<void> check_root_folder(const std::string& path);

}  // namespace sluice
