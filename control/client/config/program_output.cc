// A child process, its output, its end.
#include "control/client/config/program_output.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "base/unique_fd.h"

namespace sluice {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kMostTimeToEnd{5};

struct Child {
  pid_t pid = -1;
  UniqueFd output;
};

ResultOrText<Child> start(std::vector<std::string>& words, ProgramErrors errors) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail(std::string("pipe: ") + std::strerror(errno));
  Child child{-1, UniqueFd(ends[0])};
  const UniqueFd write_end(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDOUT_FILENO);
  if (errors == ProgramErrors::hidden)
    ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  ::posix_spawnattr_init(&attributes);
  // This thread has all signals blocked, and SIGPIPE is ignored here: not the child's affair.
  sigset_t none, pipe;
  ::sigemptyset(&none);
  ::sigemptyset(&pipe);
  ::sigaddset(&pipe, SIGPIPE);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &pipe);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const int error = ::posix_spawn(&child.pid, argv[0], &actions, &attributes, argv.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return fail(words[0] + ": " + std::strerror(error));
  return child;
}

// Empty: all of it is in `text`.
std::string read_all(int descriptor, std::string& text, const ProgramBounds& bounds) {
  const auto until = Clock::now() + bounds.most_time;
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    if (left <= 0) return "no end of its answer after " + std::to_string(bounds.most_time.count()) + " s";
    // One that is negative is looked at by nobody.
    pollfd waiting[2] = {{descriptor, POLLIN, 0}, {bounds.cancelled, POLLIN, 0}};
    if (::poll(waiting, 2, static_cast<int>(left)) <= 0) continue;
    if (waiting[1].revents != 0) return "interrupted";
    char bytes[8192];
    const ssize_t n = ::read(descriptor, bytes, sizeof bytes);
    if (n == 0) return {};
    if (n < 0 && errno != EINTR) return std::strerror(errno);
    if (n > 0) text.append(bytes, static_cast<size_t>(n));
    if (text.size() > bounds.most_output) return "too long an answer";
  }
}

// One that has said all and does not end is killed.
int wait_for(pid_t child, std::string& problem) {
  const auto until = Clock::now() + kMostTimeToEnd;
  constexpr std::chrono::milliseconds kNap{10};
  int status = 0;
  while (::waitpid(child, &status, WNOHANG) == 0) {
    if (Clock::now() < until) {
      std::this_thread::sleep_for(kNap);
      continue;
    }
    if (problem.empty()) problem = "it said all and did not end";
    ::kill(child, SIGKILL);
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    break;
  }
  return status;
}

}  // namespace

ResultOrText<std::string> program_output(std::vector<std::string> words, const ProgramBounds& bounds) {
  auto child = start(words, bounds.errors);
  if (!child) return fail(child.error());
  std::string text;
  std::string problem = read_all(child->output.get(), text, bounds);
  child->output.reset();
  if (!problem.empty()) ::kill(child->pid, SIGKILL);
  const int status = wait_for(child->pid, problem);
  if (problem.empty() && WIFSIGNALED(status)) problem = "ended by signal " + std::to_string(WTERMSIG(status));
  if (problem.empty() && WEXITSTATUS(status) != 0) problem = "exit status " + std::to_string(WEXITSTATUS(status));
  if (!problem.empty()) return fail(words[0] + ": " + problem);
  return text;
}

}  // namespace sluice
