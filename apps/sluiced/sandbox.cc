// chroot, uid, no_new_privs, and the list of system calls.
#include "apps/sluiced/sandbox.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/file_nature.h"

namespace sluice {
namespace {

// Made where it is missing: root's, empty, nobody else may write there.
constexpr const char* kEmptyRoot = "/run/sluice/empty";
// The first that exists; the last is everywhere.
constexpr std::array<const char*, 3> kAccounts{"sluice", "sshd", "nobody"};

// Memory, descriptors that we have, sockets that were accepted, threads, time. No path, no program, no new socket.
constexpr std::array kAllowed{SCMP_SYS(read),
                              SCMP_SYS(write),
                              SCMP_SYS(readv),
                              SCMP_SYS(writev),
                              SCMP_SYS(pread64),
                              SCMP_SYS(pwrite64),
                              SCMP_SYS(preadv),
                              SCMP_SYS(pwritev),
                              SCMP_SYS(preadv2),
                              SCMP_SYS(pwritev2),
                              SCMP_SYS(recvfrom),
                              SCMP_SYS(recvmsg),
                              SCMP_SYS(recvmmsg),
                              SCMP_SYS(sendto),
                              SCMP_SYS(sendmsg),
                              SCMP_SYS(sendmmsg),
                              SCMP_SYS(splice),
                              SCMP_SYS(shutdown),
                              SCMP_SYS(accept),
                              SCMP_SYS(accept4),
                              SCMP_SYS(listen),
                              SCMP_SYS(getsockopt),
                              SCMP_SYS(setsockopt),
                              SCMP_SYS(getsockname),
                              SCMP_SYS(getpeername),
                              SCMP_SYS(close),
                              SCMP_SYS(close_range),
                              SCMP_SYS(dup),
                              SCMP_SYS(dup2),
                              SCMP_SYS(dup3),
                              SCMP_SYS(fcntl),
                              SCMP_SYS(fstat),
                              SCMP_SYS(fstatfs),
                              SCMP_SYS(lseek),
                              SCMP_SYS(ftruncate),
                              SCMP_SYS(fallocate),
                              SCMP_SYS(fdatasync),
                              SCMP_SYS(fsync),
                              SCMP_SYS(fadvise64),
                              SCMP_SYS(sync_file_range),
                              SCMP_SYS(memfd_create),
                              SCMP_SYS(eventfd2),
                              SCMP_SYS(timerfd_create),
                              SCMP_SYS(timerfd_settime),
                              SCMP_SYS(timerfd_gettime),
                              SCMP_SYS(epoll_create1),
                              SCMP_SYS(epoll_ctl),
                              SCMP_SYS(epoll_wait),
                              SCMP_SYS(epoll_pwait),
                              SCMP_SYS(epoll_pwait2),
                              SCMP_SYS(poll),
                              SCMP_SYS(ppoll),
                              SCMP_SYS(munmap),
                              SCMP_SYS(mremap),
                              SCMP_SYS(madvise),
                              SCMP_SYS(brk),
                              SCMP_SYS(mlock),
                              SCMP_SYS(munlock),
                              SCMP_SYS(futex),
                              SCMP_SYS(set_robust_list),
                              SCMP_SYS(rseq),
                              SCMP_SYS(membarrier),
                              SCMP_SYS(sched_yield),
                              SCMP_SYS(sched_getaffinity),
                              SCMP_SYS(sched_setaffinity),
                              SCMP_SYS(getcpu),
                              SCMP_SYS(nanosleep),
                              SCMP_SYS(clock_nanosleep),
                              SCMP_SYS(clock_gettime),
                              SCMP_SYS(clock_getres),
                              SCMP_SYS(gettimeofday),
                              SCMP_SYS(time),
                              SCMP_SYS(getrandom),
                              SCMP_SYS(getpid),
                              SCMP_SYS(gettid),
                              SCMP_SYS(getuid),
                              SCMP_SYS(geteuid),
                              SCMP_SYS(getgid),
                              SCMP_SYS(getegid),
                              SCMP_SYS(rt_sigaction),
                              SCMP_SYS(rt_sigprocmask),
                              SCMP_SYS(rt_sigreturn),
                              SCMP_SYS(rt_sigtimedwait),
                              SCMP_SYS(sigaltstack),
                              SCMP_SYS(alarm),
                              SCMP_SYS(setitimer),
                              SCMP_SYS(restart_syscall),
                              SCMP_SYS(getrusage),
                              SCMP_SYS(sysinfo),
                              SCMP_SYS(uname),
                              SCMP_SYS(exit),
                              SCMP_SYS(exit_group)};

// What drivers of DPDK do beside that, in threads of theirs: to wait, and to know whose memory is shared.
constexpr std::array kOfPorts{SCMP_SYS(epoll_create), SCMP_SYS(timer_settime), SCMP_SYS(get_mempolicy),
                              SCMP_SYS(mincore)};
// Of a tap: whether the link is up.
constexpr uint64_t kInterfaceFlags = 0x8913;

// Calls that would reach beyond this process: with these arguments only.
struct Condition {
  int call;
  scmp_arg_cmp argument;
};

// Called by the process that is to be restricted: its own number is in it.
std::array<Condition, 6> conditions() {
  constexpr uint64_t kExecutable = PROT_EXEC;
  constexpr uint64_t kThread = CLONE_THREAD | CLONE_VM;
  const auto self = static_cast<uint32_t>(::getpid());
  return {{// Threads, no processes.
           {SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, kThread, kThread)},
           // Others have the same account: an sshd's children, say.
           {SCMP_SYS(tgkill), SCMP_A0_32(SCMP_CMP_EQ, self)},
           {SCMP_SYS(prlimit64), SCMP_A0_32(SCMP_CMP_EQ, 0)},
           // A thread's own name.
           {SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME)},
           // No code but what was loaded.
           {SCMP_SYS(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, kExecutable, 0)},
           {SCMP_SYS(mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, kExecutable, 0)}}};
}

std::string error_text(const char* what) { return std::string(what) + ": " + std::strerror(errno); }

ResultOrText<void> make_empty_root() {
  ::mkdir("/run/sluice", 0755);
  ::mkdir(kEmptyRoot, 0755);
  struct stat facts {};
  if (::lstat(kEmptyRoot, &facts) != 0) return fail(error_text(kEmptyRoot));
  if (!S_ISDIR(facts.st_mode) || facts.st_uid != 0 || (facts.st_mode & 022) != 0) {
    return fail(std::string(kEmptyRoot) + ": is not root's own folder");
  }
  return {};
}

ResultOrText<void> leave_root() {
  const passwd* account = nullptr;
  for (const char* name : kAccounts) {
    if ((account = ::getpwnam(name)) != nullptr) break;
  }
  if (!account || account->pw_uid == 0) return fail(std::string("there is no unprivileged account to run as"));
  const uid_t uid = account->pw_uid;
  const gid_t gid = account->pw_gid;
  if (const auto made = make_empty_root(); !made) return made;
  if (::chroot(kEmptyRoot) != 0 || ::chdir("/") != 0) return fail(error_text("chroot"));
  if (::setgroups(0, nullptr) != 0 || ::setresgid(gid, gid, gid) != 0 || ::setresuid(uid, uid, uid) != 0) {
    return fail(error_text("setresuid"));
  }
  if (::setuid(0) == 0) return fail(std::string("root's rights came back"));
  return {};
}

bool allow_for_ports(void* filter) {
  const auto rule = [&](int call, unsigned conditions, scmp_arg_cmp condition) {
    return ::seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, conditions, &condition) == 0;
  };
  for (const int call : kOfPorts) {
    if (call >= 0 && !rule(call, 0, {})) return false;
  }
  return rule(SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_EQ, kInterfaceFlags)) &&
         // libc's fstat of today, which vhost asks about its guest's memory.
         rule(SCMP_SYS(newfstatat), 1, SCMP_A3_32(SCMP_CMP_EQ, uint32_t{AT_EMPTY_PATH}));
}

}  // namespace

ResultOrText<void> drop_rights() {
  // Keys pass through this memory: no core files, no tracing by whoever has the same account.
  ::prctl(PR_SET_DUMPABLE, 0);
  if (::geteuid() == 0) {
    if (const auto left = leave_root(); !left) return left;
    ::prctl(PR_SET_DUMPABLE, 0);
  }
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail(error_text("no_new_privs"));
  return {};
}

ResultOrText<void> restrict_calls(bool port) {
  const std::unique_ptr<void, void (*)(void*)> filter(::seccomp_init(SCMP_ACT_ERRNO(EPERM)), ::seccomp_release);
  if (!filter) return fail(std::string("seccomp: no filter"));
  for (const int call : kAllowed) {
    // Negative: this machine has no such call.
    if (call >= 0 && ::seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 0) != 0) {
      return fail(std::string("seccomp: a rule was refused"));
    }
  }
  if (port && !allow_for_ports(filter.get())) return fail(std::string("seccomp: a rule was refused"));
  for (const Condition& only : conditions()) {
    if (::seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, only.call, 1, only.argument) != 0) {
      return fail(std::string("seccomp: a rule was refused"));
    }
  }
  // What a descriptor is of, and nothing by a path.
  if (::seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, SCMP_SYS(statx), 2,
                         SCMP_A1(SCMP_CMP_EQ, reinterpret_cast<uintptr_t>(kNoPath)),
                         SCMP_A2_32(SCMP_CMP_EQ, uint32_t{kNatureFlags})) != 0) {
    return fail(std::string("seccomp: a rule was refused"));
  }
  // Its arguments are in memory, where no filter looks; without it libc takes clone.
  if (::seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) != 0) {
    return fail(std::string("seccomp: a rule was refused"));
  }
  ::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1);
  // A tree instead of a list: each call of the data path is looked up.
  ::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
  const int loaded = ::seccomp_load(filter.get());
  if (loaded != 0) return fail(std::string("seccomp: ") + std::strerror(-loaded));
  return {};
}

}  // namespace sluice
