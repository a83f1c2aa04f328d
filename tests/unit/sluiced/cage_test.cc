// The network process' cage, asked from the inside: a child goes in and tries what an attacker would.
#include "apps/sluiced/sandbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <thread>

namespace sluice {
namespace {

// Each is to fail; true when it did not.
struct Attempt {
  const char* what;
  bool (*succeeds)();
};

bool runs_a_program() {
  char name[] = "/bin/true";
  char* words[] = {name, nullptr};
  ::execve(name, words, nullptr);
  return false;
}

bool forks() {
  const long child = ::syscall(SYS_fork);
  if (child == 0) ::_exit(0);
  return child > 0;
}

bool forks_by_clone() {
  const long child = ::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (child == 0) ::_exit(0);
  return child > 0;
}

const Attempt kAttempts[] = {
    {"open", [] { return ::syscall(SYS_open, "/etc/passwd", O_RDONLY) >= 0; }},
    {"openat", [] { return ::openat(AT_FDCWD, "/etc/passwd", O_RDONLY) >= 0; }},
    {"openat2", [] { return ::syscall(437, AT_FDCWD, "/etc/passwd", nullptr, 0) >= 0; }},
    {"creat", [] { return ::creat("/tmp/made", 0600) >= 0; }},
    {"execve", runs_a_program},
    {"execveat", [] { return ::syscall(SYS_execveat, AT_FDCWD, "/bin/true", nullptr, nullptr, 0) >= 0; }},
    {"fork", forks},
    {"clone", forks_by_clone},
    {"socket", [] { return ::socket(AF_INET, SOCK_STREAM, 0) >= 0; }},
    {"socketpair",
     [] {
       int ends[2];
       return ::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0;
     }},
    {"connect", [] { return ::connect(0, nullptr, 0) == 0 || errno != EPERM; }},
    {"bind", [] { return ::bind(0, nullptr, 0) == 0 || errno != EPERM; }},
    {"stat",
     [] {
       struct stat facts;
       return ::stat("/", &facts) == 0;
     }},
    {"unlink", [] { return ::unlink("/tmp/nothing") == 0 || errno != EPERM; }},
    {"rename", [] { return ::rename("/tmp/a", "/tmp/b") == 0 || errno != EPERM; }},
    {"mkdir", [] { return ::mkdir("/tmp/made", 0700) == 0 || errno != EPERM; }},
    {"chroot", [] { return ::chroot("/") == 0; }},
    {"mount", [] { return ::mount("none", "/", "tmpfs", 0, nullptr) == 0; }},
    {"setuid", [] { return ::syscall(SYS_setuid, 0) == 0; }},
    {"kill", [] { return ::kill(::getppid(), 0) == 0 || errno != EPERM; }},
    {"ptrace", [] { return ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0; }},
    {"process_vm_readv", [] { return ::syscall(SYS_process_vm_readv, ::getpid(), nullptr, 0, nullptr, 0, 0) == 0; }},
    {"io_uring_setup", [] { return ::syscall(SYS_io_uring_setup, 1, nullptr) >= 0 || errno != EPERM; }},
    {"bpf", [] { return ::syscall(SYS_bpf, 0, nullptr, 0) >= 0 || errno != EPERM; }},
    {"userfaultfd", [] { return ::syscall(SYS_userfaultfd, 0) >= 0; }},
    {"unshare", [] { return ::unshare(CLONE_NEWUSER) == 0; }},
    {"prlimit of another",
     [] {
       rlimit limit{};
       return ::prlimit(1, RLIMIT_NOFILE, nullptr, &limit) == 0;
     }},
};

// The number of the first attempt that succeeded, from 1; 0: none did; 255: it could not go in.
int in_the_cage(bool without_rights) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (without_rights && !drop_rights()) ::_exit(255);
    if (!restrict_calls(false)) ::_exit(255);
    int number = 0;
    for (const Attempt& attempt : kAttempts) {
      ++number;
      if (attempt.succeeds()) ::_exit(number);
    }
    ::_exit(0);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 254;
}

std::string name_of(int number) {
  return number > 0 && number <= static_cast<int>(std::size(kAttempts)) ? kAttempts[number - 1].what : "";
}

TEST(Cage, lets_nobody_open_a_file_run_a_program_or_make_a_socket) {
  const int succeeded = in_the_cage(false);
  EXPECT_EQ(succeeded, 0) << name_of(succeeded);
}

TEST(Cage, of_root_gives_its_rights_up_first) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root has rights to give up";
  const int succeeded = in_the_cage(true);
  EXPECT_EQ(succeeded, 0) << name_of(succeeded);
}

TEST(Cage, still_starts_threads_and_moves_bytes) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    if (!restrict_calls(false)) ::_exit(1);
    bool moved = false;
    std::thread([&] { moved = ::write(ends[1], "x", 1) == 1; }).join();
    char byte = 0;
    ::_exit(moved && ::read(ends[0], &byte, 1) == 1 && byte == 'x' ? 0 : 2);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace
}  // namespace sluice
