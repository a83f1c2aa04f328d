// What modules change of groups and mask is the user's.
#include "apps/sluiced/login_session.h"

#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/auth/backends/pam_session.h"

namespace sluice {
namespace {

constexpr mode_t kUsualMask = 022;

std::vector<uint32_t> groups_now() {
  const int count = ::getgroups(0, nullptr);
  std::vector<gid_t> groups(count > 0 ? static_cast<size_t>(count) : 0);
  if (count > 0 && ::getgroups(count, groups.data()) != count) groups.clear();
  return {groups.begin(), groups.end()};
}

}  // namespace

ResultOrText<SessionCloser> open_login_session(UserIdentity& identity) {
  if (identity.session == 0) return SessionCloser();
  // pam_group adds to what is there.
  const std::vector<gid_t> groups(identity.groups.begin(), identity.groups.end());
  if (::setgroups(groups.size(), groups.data()) != 0) return fail(std::string("groups cannot be set"));
  ::umask(kUsualMask);
  auto opened = PamSession::open({identity.session_service, "", identity.name, identity.remote_host});
  if (!opened) return fail(opened.error());
  // Closed when told and not when forgotten: the user's process, a fork, forgets it too.
  const PamSession* session = opened->release();
  identity.groups = groups_now();
  for (auto& variable : session->environment()) identity.environment.push_back(std::move(variable));
  identity.session_text = session->text();
  if (const mode_t mask = ::umask(kUsualMask); mask != kUsualMask) identity.umask = mask;
  return SessionCloser([session] { delete session; });
}

}  // namespace sluice
