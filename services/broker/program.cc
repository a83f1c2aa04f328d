// fork and exec, with nothing between them but system calls: other threads of the broker may hold locks.
#include "services/broker/program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "services/broker/program_streams.h"

namespace sluice {
namespace {

// What a shell says of a program that is not there.
constexpr int kCannotRun = 127;
// Where a program that is about to begin has its gate.
constexpr int kGate = 3;
// Records of logins are not worth more.
constexpr int kMostGateMs = 5000;

constexpr const char* kUserRc = ".ssh/rc";
constexpr const char* kBourneShell = "/bin/sh";

struct SignalName {
  std::string_view name;
  int number;
};
// RFC 4254 section 6.10.
constexpr SignalName kSignals[] = {{"ABRT", SIGABRT}, {"ALRM", SIGALRM}, {"FPE", SIGFPE},   {"HUP", SIGHUP},
                                   {"ILL", SIGILL},   {"INT", SIGINT},   {"KILL", SIGKILL}, {"PIPE", SIGPIPE},
                                   {"QUIT", SIGQUIT}, {"SEGV", SIGSEGV}, {"TERM", SIGTERM}, {"USR1", SIGUSR1},
                                   {"USR2", SIGUSR2}};

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> out;
  for (std::string& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

void say(const char* about, int system_error) {
  const char* why = ::strerrordesc_np(system_error);
  (void)!::write(2, about, std::strlen(about));
  (void)!::write(2, ": ", 2);
  if (why) (void)!::write(2, why, std::strlen(why));
  (void)!::write(2, "\n", 1);
}

struct ChildStart {
  const char* path;
  char* const* words;
  char* const* rc_words;
  bool user_rc;
  char* const* environment;
  const char* folder;
  std::array<int, 3> streams;
  bool terminal;
  int gate;  // -1: none
  std::string_view greeting;
};

// Until nobody has the gate's other end, or whoever has it takes too long. Then what the user reads first.
void wait_and_greet(const ChildStart& start) {
  pollfd gate{kGate, 0, 0};
  if (start.gate >= 0) ::poll(&gate, 1, kMostGateMs);
  ::close(kGate);
  for (std::string_view left = start.greeting; !left.empty();) {
    const ssize_t n = ::write(1, left.data(), left.size());
    if (n <= 0 && errno != EINTR) return;
    if (n > 0) left.remove_prefix(static_cast<size_t>(n));
  }
}

// sshd(8), SSHRC: by the user's shell, before anything of his runs. Nothing is to be read there, since no X11 comes
// here.
void run_rc(const ChildStart& start, bool at_home) {
  static char shell[] = "sh", system_rc[] = "/etc/ssh/sshrc";
  static char* const system_words[] = {shell, system_rc, nullptr};
  struct stat facts;
  const bool users = start.user_rc && at_home && ::stat(kUserRc, &facts) == 0;
  if (!users && ::stat(system_rc, &facts) != 0) return;
  const pid_t pid = ::_Fork();
  if (pid == 0) {
    int ends[2];
    if (::pipe(ends) != 0 || ::dup2(ends[0], 0) != 0 || ::close_range(kGate, ~0u, 0) != 0) ::_exit(kCannotRun);
    ::execve(users ? start.path : kBourneShell, users ? start.rc_words : system_words, start.environment);
    say(users ? start.path : kBourneShell, errno);
    ::_exit(kCannotRun);
  }
  // What it prepares the program finds there.
  while (pid > 0 && ::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {}
}

// In the child. Async-signal-safe calls only.
[[noreturn]] void become_program(const ChildStart& start) {
  ::setsid();
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (start.terminal) ::ioctl(start.streams[0], TIOCSCTTY, 0);
  for (int i = 0; i < 3; ++i) ::dup2(start.streams[static_cast<size_t>(i)], i);
  if (start.gate >= 0) ::dup2(start.gate, kGate);
  ::close_range(start.gate >= 0 ? kGate + 1 : kGate, ~0u, 0);
  if (start.terminal) wait_and_greet(start);
  const bool at_home = ::chdir(start.folder) == 0;
  if (!at_home) {
    say(start.folder, errno);
    (void)!::chdir("/");
  }
  run_rc(start, at_home);
  ::execve(start.path, start.words, start.environment);
  say(start.path, errno);
  ::_exit(kCannotRun);
}

}  // namespace

Outcome<Program::Started> Program::start(ProgramPlan plan, bool ample) {
  auto streams = plan.terminal ? open_terminal(*plan.terminal) : open_pipes(ample);
  if (!streams) return tl::unexpected(streams.error());
  UniqueFd gate_inside, gate_outside;
  if (plan.terminal) {
    plan.environment.push_back("SSH_TTY=/dev/pts/" + std::to_string(streams->terminal_number));
    int ends[2];
    // Without one it begins at once.
    if (::pipe2(ends, O_CLOEXEC) == 0) {
      gate_inside = UniqueFd(::fcntl(ends[0], F_DUPFD_CLOEXEC, kGate + 1));
      ::close(ends[0]);
      gate_outside = UniqueFd(ends[1]);
    }
  }
  const std::vector<char*> words = pointers(plan.words), environment = pointers(plan.environment);
  const std::vector<char*> rc_words = pointers(plan.rc_words);
  ChildStart start{plan.path.c_str(),   words.data(), rc_words.data(),           plan.user_rc,      environment.data(),
                   plan.folder.c_str(), {},           plan.terminal.has_value(), gate_inside.get(), plan.greeting};
  for (size_t i = 0; i < 3; ++i) start.streams[i] = streams->inner[i].get();
  const pid_t pid = ::fork();
  if (pid < 0) return system_failure();
  if (pid == 0) become_program(start);
  UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!process) {
    const auto why = system_failure();
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    return why;
  }
  return Started{Program(pid, std::move(process), std::move(streams->terminal), streams->terminal_number),
                 std::move(streams->ends), std::move(gate_outside)};
}

UniqueFd Program::second_terminal() const { return UniqueFd(::fcntl(terminal_.get(), F_DUPFD_CLOEXEC, 3)); }

ChildExited Program::collect() {
  ChildExited exited;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) != pid_) return exited;
  if (WIFEXITED(status)) exited.status = static_cast<uint32_t>(WEXITSTATUS(status));
  if (WIFSIGNALED(status)) {
    const char* name = ::sigabbrev_np(WTERMSIG(status));
    // Real-time ones have none; a name of RFC 4254's form that stands for none of its own.
    exited.signal = name ? name : "SIG@openssh.com";
    exited.core_dumped = WCOREDUMP(status);
  }
  return exited;
}

Outcome<void> Program::signal(std::string_view name) const {
  for (const SignalName& known : kSignals) {
    if (known.name != name) continue;
    // The whole group, as a terminal does. Before it has made one there is only the program itself.
    if (::kill(-pid_, known.number) != 0 && ::kill(pid_, known.number) != 0) return system_failure();
    return {};
  }
  return tl::unexpected(failed(BrokerFault::unsupported, "No such signal"));
}

Outcome<void> Program::resize(const TerminalSize& size) const {
  if (!terminal_) return tl::unexpected(failed(BrokerFault::invalid, "It has no terminal"));
  return resize_terminal(terminal_.get(), size);
}

void Program::hang_up() {
  if (!terminal_) return;
  (void)::kill(-pid_, SIGHUP);
  terminal_.reset();
}

}  // namespace sluice
