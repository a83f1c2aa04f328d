// What the confined process may still do, and what it may not do to others.
#include "apps/sluiced/sandbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "base/file_nature.h"

namespace sluice {
namespace {

// Runs it in a confined process: nothing said it was wrong.
template <class F>
bool confined(F allowed) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    if (!restrict_calls(false)) ::_exit(2);
    ::_exit(allowed() ? 0 : 1);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool refused(long result, int with) { return result == -1 && errno == with; }

TEST(Sandbox, leaves_threads_and_memory) {
  EXPECT_TRUE(confined([] {
    int seen = 0;
    std::thread([&seen] { seen = 7; }).join();
    void* memory = ::mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return seen == 7 && memory != MAP_FAILED && ::mprotect(memory, 4096, PROT_READ) == 0;
  }));
}

TEST(Sandbox, makes_no_process) {
  EXPECT_TRUE(confined([] { return refused(::fork(), EPERM); }));
  EXPECT_TRUE(confined([] { return refused(::syscall(SYS_clone3, nullptr, 0), ENOSYS); }));
  EXPECT_TRUE(confined([] { return refused(::syscall(SYS_clone, SIGCHLD | CLONE_NEWUSER, 0, 0, 0, 0), EPERM); }));
  EXPECT_TRUE(confined([] { return refused(::syscall(SYS_execve, "/bin/true", nullptr, nullptr), EPERM); }));
}

TEST(Sandbox, touches_no_other_process) {
  const pid_t other = ::getpid();
  EXPECT_TRUE(confined([other] { return refused(::syscall(SYS_tgkill, other, other, 0), EPERM); }));
  EXPECT_TRUE(confined([] { return ::syscall(SYS_tgkill, ::getpid(), ::gettid(), 0) == 0; }));
  EXPECT_TRUE(confined([other] {
    rlimit limit{};
    return refused(::prlimit(other, RLIMIT_NOFILE, nullptr, &limit), EPERM) && ::getrlimit(RLIMIT_NOFILE, &limit) == 0;
  }));
}

TEST(Sandbox, looks_at_descriptors_and_at_no_path) {
  EXPECT_TRUE(confined([] {
    struct statx facts;
    return nature_of(STDIN_FILENO, facts) && refused(::statx(AT_FDCWD, "/", 0, STATX_TYPE, &facts), EPERM) &&
           refused(::statx(AT_FDCWD, "/", kNatureFlags, STATX_TYPE, &facts), EPERM) &&
           refused(::statx(STDIN_FILENO, kNoPath, AT_EMPTY_PATH, STATX_TYPE, &facts), EPERM);
  }));
}

// Each with arguments that would do something where it is allowed.
TEST(Sandbox, opens_no_path_and_reaches_nobody) {
  struct Call {
    const char* name;
    long number;
    long arguments[5];
  };
  const auto at = [](const char* path) { return reinterpret_cast<long>(path); };
  const long dev_null = at("/dev/null"), scratch = at("/tmp/sluice-sandbox-test"), here = AT_FDCWD, self = ::getpid();
  const Call calls[] = {{"open", SYS_open, {dev_null, O_RDONLY}},
                        {"openat", SYS_openat, {here, dev_null, O_RDONLY}},
                        {"openat2", SYS_openat2, {here, dev_null, 0, 0}},
                        {"creat", SYS_creat, {scratch, 0600}},
                        {"mknod", SYS_mknod, {scratch, S_IFREG | 0600}},
                        {"mkdir", SYS_mkdir, {scratch, 0700}},
                        {"link", SYS_link, {at("/etc/hostname"), scratch}},
                        {"symlink", SYS_symlink, {at("/etc"), scratch}},
                        {"rename", SYS_rename, {scratch, scratch}},
                        {"unlink", SYS_unlink, {scratch}},
                        {"chmod", SYS_chmod, {scratch, 0777}},
                        {"chdir", SYS_chdir, {at("/")}},
                        {"chroot", SYS_chroot, {at("/")}},
                        {"access", SYS_access, {dev_null, 0}},
                        {"execveat", SYS_execveat, {here, at("/bin/true"), 0, 0, 0}},
                        {"vfork", SYS_vfork, {}},
                        {"socket", SYS_socket, {AF_INET, SOCK_STREAM, 0}},
                        {"socketpair", SYS_socketpair, {AF_UNIX, SOCK_STREAM, 0, scratch}},
                        {"connect", SYS_connect, {0, 0, 0}},
                        {"bind", SYS_bind, {0, 0, 0}},
                        {"kill", SYS_kill, {self, 0}},
                        {"ptrace", SYS_ptrace, {0, 0, 0, 0}},
                        {"process_vm_readv", SYS_process_vm_readv, {self, 0, 0, 0, 0}},
                        {"pidfd_open", SYS_pidfd_open, {self, 0}},
                        {"io_uring_setup", SYS_io_uring_setup, {1, 0}},
                        {"setuid", SYS_setuid, {0}},
                        {"unshare", SYS_unshare, {CLONE_NEWUSER}},
                        {"setns", SYS_setns, {0, 0}},
                        {"bpf", SYS_bpf, {0, 0, 0}},
                        {"keyctl", SYS_keyctl, {0, 0, 0}},
                        {"shmget", SYS_shmget, {0, 4096, 0}}};
  for (const Call& call : calls) {
    EXPECT_TRUE(confined([&call] {
      const long* a = call.arguments;
      return refused(::syscall(call.number, a[0], a[1], a[2], a[3], a[4]), EPERM);
    })) << call.name;
  }
}

TEST(Sandbox, runs_no_code_that_was_not_loaded) {
  EXPECT_TRUE(confined([] {
    errno = 0;
    void* memory = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED && errno == EPERM;
  }));
  EXPECT_TRUE(confined([] {
    void* memory = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return refused(::mprotect(memory, 4096, PROT_READ | PROT_EXEC), EPERM);
  }));
}

}  // namespace
}  // namespace sluice
