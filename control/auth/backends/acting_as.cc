// Groups first on the way down, last on the way up: only root may set them.
#include "control/auth/backends/acting_as.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"

namespace sluice {
namespace {

constexpr long kUnchanged = -1;

}  // namespace

ActingAs::ActingAs(uid_t uid, gid_t gid, const std::vector<gid_t>& groups) {
  if (::geteuid() != 0) {
    ok_ = uid == ::geteuid();
    return;
  }
  if (uid == 0) return;
  const int count = ::getgroups(0, nullptr);
  groups_before_.resize(count > 0 ? static_cast<size_t>(count) : 0);
  if (count > 0) ok_ = ::getgroups(count, groups_before_.data()) == count;
  if (!ok_) return;
  switched_ = true;
  ok_ = ::syscall(SYS_setgroups, groups.size(), groups.data()) == 0 &&
        ::syscall(SYS_setresgid, kUnchanged, gid, kUnchanged) == 0 &&
        ::syscall(SYS_setresuid, kUnchanged, uid, kUnchanged) == 0;
}

ActingAs::~ActingAs() {
  if (!switched_) return;
  // A thread that kept a stranger's identity, or root's group with it, would be worse than none.
  SLUICE_CHECK(::syscall(SYS_setresuid, kUnchanged, 0, kUnchanged) == 0);
  SLUICE_CHECK(::syscall(SYS_setresgid, kUnchanged, ::getgid(), kUnchanged) == 0);
  SLUICE_CHECK(::syscall(SYS_setgroups, groups_before_.size(), groups_before_.data()) == 0);
}

}  // namespace sluice
