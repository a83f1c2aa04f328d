// Becoming a user: from a fork of the starter to a process that has that user's rights and no way back.
#pragma once

#include <functional>

#include "base/result.h"
#include "base/unique_fd.h"
#include "services/broker/user_identity.h"

namespace sluice {

// Closes what a SessionHook opened.
using SessionCloser = std::function<void()>;
// Run while still privileged: opens what the system calls a session (PAM). What it adds to the identity's environment
// every program gets. A text refuses the broker; an empty closer means that there is nothing to close.
using SessionHook = std::function<ResultOrText<SessionCloser>(UserIdentity&)>;

// Closes every descriptor but the first three and `kept`, which gets a low number.
ResultOrText<void> keep_only(UniqueFd& kept);
// /dev/null as the first three.
ResultOrText<void> silence_streams();
// Returns in a fork; the caller's process stays privileged, waits for that one's end, closes the session and ends.
// Of the descriptors the fork has its first three and `kept`, which the one that waits does not have.
ResultOrText<void> leave_session_behind(const SessionCloser& closer, UniqueFd& kept);
// Session, root, groups, gid, uid, umask, in this order. As an ordinary user: that user's own identity alone.
ResultOrText<void> become_user(const UserIdentity& identity);
// Whether a folder can be a root: neither it nor one above it may be changed by anybody but root, who would otherwise
// put files in it that programs believe.
ResultOrText<void> check_root_folder(const std::string& path);

}  // namespace sluice
