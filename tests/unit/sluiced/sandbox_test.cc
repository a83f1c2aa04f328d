// What the confined process may still do, and what it may not do to others.
#include "apps/sluiced/sandbox.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
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
