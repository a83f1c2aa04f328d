// The order matters: each step needs a right that the next one gives up.
#include "services/broker/user_process.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sluice {
namespace {

constexpr int kKept = 3;

tl::unexpected<std::string> because(std::string what) {
  const char* why = ::strerrordesc_np(errno);
  return fail(what.append(": ").append(why ? why : "unknown error"));
}

ResultOrText<void> enter_root(const std::string& root) {
  if (::geteuid() != 0) return fail("only root can give somebody another root folder");
  if (auto safe = check_root_folder(root); !safe) return safe;
  if (::chdir(root.c_str()) != 0 || ::chroot(".") != 0) return because("root folder " + root);
  return {};
}

ResultOrText<void> give_up_rights(const UserIdentity& identity) {
  const uid_t uid = identity.uid;
  const gid_t gid = identity.gid;
  const std::vector<gid_t> groups(identity.groups.begin(), identity.groups.end());
  if (::setgroups(groups.size(), groups.data()) != 0) return because("groups");
  if (::setresgid(gid, gid, gid) != 0) return because("group");
  if (::setresuid(uid, uid, uid) != 0) return because("user");
  if (uid == 0) return {};
  // Believed only when seen.
  if (::setuid(0) == 0 || ::seteuid(0) == 0 || ::setresuid(0, 0, 0) == 0) return fail("there is a way back to root");
  if (gid != 0 && (::setgid(0) == 0 || ::setegid(0) == 0)) return fail("there is a way back to root's group");
  uid_t real, effective, saved;
  if (::getresuid(&real, &effective, &saved) != 0 || real != uid || effective != uid || saved != uid)
    return fail("the user did not become who he is");
  return {};
}

}  // namespace

ResultOrText<void> keep_only(UniqueFd& kept) {
  // Out of the way first: what is at the low number may be anything.
  UniqueFd away(::fcntl(kept.get(), F_DUPFD_CLOEXEC, kKept + 1));
  if (!away || ::dup3(away.get(), kKept, O_CLOEXEC) != kKept) return because("descriptors");
  away.reset();
  (void)kept.release();
  kept = UniqueFd(kKept);
  if (::close_range(kKept + 1, ~0u, 0) != 0) return because("descriptors");
  return {};
}

ResultOrText<void> silence_streams() {
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) return because("/dev/null");
  for (int i = 0; i < kKept; ++i)
    if (null != i && ::dup2(null, i) != i) return because("descriptors");
  if (null >= kKept) ::close(null);
  return {};
}

ResultOrText<void> check_root_folder(const std::string& path) {
  if (!path.starts_with('/')) return fail("root folder " + path + " is not absolute");
  for (size_t end = 0; end != std::string::npos;) {
    end = path.find('/', end + 1);
    const std::string part = end == std::string::npos ? path : path.substr(0, end);
    struct stat facts;
    if (::stat(part.c_str(), &facts) != 0) return because("root folder " + part);
    if (!S_ISDIR(facts.st_mode)) return fail("root folder " + part + " is not a folder");
    if (facts.st_uid != 0 || (facts.st_mode & 022) != 0)
      return fail("root folder " + part + " can be changed by others than root");
  }
  return {};
}

ResultOrText<void> leave_session_behind(const SessionCloser& closer, UniqueFd& kept) {
  const pid_t broker = ::fork();
  if (broker < 0) {
    const auto why = because("fork");
    closer();
    return why;
  }
  // What the session's modules opened is not the user's.
  if (broker == 0) return keep_only(kept);
  kept.reset();
  // The session outlives whatever asks us to end.
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) ::signal(number, SIG_IGN);
  while (::waitpid(broker, nullptr, 0) < 0 && errno == EINTR) {}
  closer();
  ::_exit(0);
}

ResultOrText<void> become_user(const UserIdentity& identity) {
  ::setsid();
  if (!identity.root.empty()) {
    if (auto entered = enter_root(identity.root); !entered) return entered;
  }
  if (::geteuid() == 0) {
    if (auto given_up = give_up_rights(identity); !given_up) return given_up;
  } else if (identity.uid != ::geteuid() || identity.uid != ::getuid()) {
    return fail("only root can become another user");
  }
  ::umask(static_cast<mode_t>(identity.umask & 0777));
  (void)!::chdir("/");
  // The user's own programs must not look into a process that holds other sessions' files and policies.
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return because("dumpable");
  return {};
}

}  // namespace sluice
