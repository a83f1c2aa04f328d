// fork and exec, wait4(2), and /proc.
#include "apps/sluice/bench/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <sstream>

#include "apps/sluice/bench/keeper.h"
#include "base/memory_file.h"

extern char** environ;

namespace sluice::bench {
namespace {

constexpr double kLookSeconds = 0.02;
constexpr double kEndSeconds = 10;

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

// Its input as a file without a name: no writer has to wait for its reader.
UniqueFd input_of(const std::string& text) {
  if (text.empty()) return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  return memory_file("input", text);
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> out;
  for (std::string& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

// What a process needs to become a program.
struct Program {
  const char* path;
  char **words, **environment;
  int input, output, errors;
};

void end_with_parent(pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);
}

// In the child, between fork and exec: nothing that allocates.
[[noreturn]] void become(const Program& program) {
  ::dup2(program.input, 0), ::dup2(program.output, 1), ::dup2(program.errors, 2);
  ::signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
  ::execve(program.path, program.words, program.environment);
  ::_exit(127);
}

void become_kept(void* what) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  become(*static_cast<const Program*>(what));
}

std::string read_file(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text(16384, '\0');
  const ssize_t n = file ? ::read(file.get(), text.data(), text.size()) : 0;
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return text;
}

// The words of /proc/PID/stat behind the program's name, which may have spaces in it.
std::vector<std::string> stat_of(pid_t process) {
  const std::string text = read_file("/proc/" + std::to_string(process) + "/stat");
  std::vector<std::string> words;
  const size_t from = text.rfind(')');
  if (from == text.npos) return words;
  std::istringstream in(text.substr(from + 1));
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

}  // namespace

double monotonic_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string find_program(std::string_view name) {
  if (name.find('/') != name.npos)
    return ::access(std::string(name).c_str(), X_OK) == 0 ? std::string(name) : std::string();
  const char* path = std::getenv("PATH");
  std::istringstream folders(std::string(path ? path : "") + ":/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/sbin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    std::string whole = folder + "/" + std::string(name);
    if (!folder.empty() && ::access(whole.c_str(), X_OK) == 0) return whole;
  }
  return {};
}

ResultOrText<std::unique_ptr<Child>> Child::start(ChildOptions options) {
  const std::string path = find_program(options.words.front());
  if (path.empty()) return fail(options.words.front() + ": no such program");
  const UniqueFd input = input_of(options.input);
  int ends[2];
  if (!input || ::pipe2(ends, O_CLOEXEC) != 0)
    return fail(std::string("no pipe for a program: ") + std::strerror(errno));
  UniqueFd write_end(ends[1]);
  std::unique_ptr<Child> child(new Child);
  child->output_ = UniqueFd(ends[0]);
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  if (!options.output_file.empty()) {
    write_end = UniqueFd(::open(options.output_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (!write_end) return fail(options.output_file + ": " + std::strerror(errno));
  }
  std::vector<std::string> environment = std::move(options.environment);
  for (char** word = environ; *word != nullptr; ++word) environment.emplace_back(*word);
  auto words = pointers(options.words), variables = pointers(environment);
  child->patience_ = options.patience_seconds;
  child->began_ = monotonic_seconds();
  Program program{path.c_str(), words.data(),    variables.data(),
                  input.get(),  write_end.get(), options.errors_apart ? 2 : write_end.get()};
  int told[2] = {-1, -1};
  if (options.with_keeper && ::pipe2(told, O_CLOEXEC) != 0)
    return fail(std::string("no pipe for a program: ") + std::strerror(errno));
  child->keeper_says_ = UniqueFd(told[0]);
  const UniqueFd keeper_end(told[1]);
  const pid_t self = ::getpid();
  const pid_t forked = ::fork();
  if (forked == 0) {
    end_with_parent(self);
    if (options.with_keeper) keep(keeper_end.get(), become_kept, &program);
    become(program);
  }
  if (forked < 0) return fail(std::string("fork: ") + std::strerror(errno));
  ::setpgid(forked, forked);
  child->process_ = child->root_ = forked;
  if (!options.with_keeper) return child;
  KeeperWord word;
  if (::read(told[0], &word, sizeof word) != sizeof word) return fail("a program could not be started");
  ::fcntl(told[0], F_SETFL, O_NONBLOCK);
  child->process_ = word.program;
  child->began_ = word.at;
  return child;
}

Child::~Child() {
  if (process_ <= 0) return;
  if (running()) stop(SIGTERM);
  ::kill(-process_, SIGKILL);
  if (keeper_says_) end_keeper();
}

void Child::end_keeper() {
  ::kill(root_, SIGKILL);
  ::waitpid(root_, nullptr, 0);
  keeper_says_.reset();
}

void Child::take_status(int status) {
  ended_ = true;
  status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool Child::running() {
  int status;
  rusage use{};
  if (keeper_says_ && !ended_) return !heard_of_end();
  if (ended_ || ::wait4(process_, &status, WNOHANG, &use) != process_) return !ended_;
  take_status(status);
  ended_at_ = monotonic_seconds();
  cpu_seconds_ = seconds_of(use.ru_utime) + seconds_of(use.ru_stime);
  return false;
}

bool Child::heard_of_end() {
  KeeperWord word;
  const ssize_t n = ::read(keeper_says_.get(), &word, sizeof word);
  if (n < 0 && errno == EAGAIN) return false;
  // Without its word: somebody killed it.
  take_status(n == sizeof word ? word.status : SIGKILL);
  ended_at_ = n == sizeof word ? word.at : monotonic_seconds();
  return true;
}

// Those who were left behind have their time in the account too.
void Child::hear_account() {
  constexpr double kSlack = 5;
  const double deadline = monotonic_seconds() + kLeftBehindSeconds + kSlack;
  KeeperWord word;
  for (;;) {
    const ssize_t n = ::read(keeper_says_.get(), &word, sizeof word);
    if (n == sizeof word) cpu_seconds_ = word.cpu_seconds;
    if (n >= 0 || errno != EAGAIN || monotonic_seconds() > deadline) return;
    pollfd ready{keeper_says_.get(), POLLIN, 0};
    ::poll(&ready, 1, 100);
  }
}

ChildOutcome Child::wait() {
  const double deadline = began_ + patience_;
  char piece[16384];
  // Whoever inherited the pipe may hold it longer than the program lives.
  for (bool open = true, alive = true; alive;) {
    pollfd ready{open ? output_.get() : -1, POLLIN, 0};
    // A program that closes its streams is about to end: it is looked at more often then.
    ::poll(&ready, 1, open ? static_cast<int>(kLookSeconds * 1e3) : 1);
    if (!open || ready.revents == 0) {
      alive = running();
    } else {
      const ssize_t n = ::read(output_.get(), piece, sizeof piece);
      if (n > 0) said_.append(piece, static_cast<size_t>(n));
      open = n > 0 || (n < 0 && errno == EAGAIN);
      if (said_.size() > 2 * kMostOutput) said_.erase(0, said_.size() - kMostOutput);
      if (!open) alive = running();
    }
    if (alive && monotonic_seconds() > deadline) {
      ::kill(-process_, SIGKILL);
      said_ += "\nno end after " + std::to_string(static_cast<int>(patience_)) + " s";
    }
  }
  if (keeper_says_) hear_account();
  for (ssize_t n; (n = ::read(output_.get(), piece, sizeof piece)) > 0;) said_.append(piece, static_cast<size_t>(n));
  if (said_.size() > kMostOutput) said_.erase(0, said_.size() - kMostOutput);
  return {status_, said_, ended_at_ - began_, cpu_seconds_};
}

std::optional<std::string> Child::read_line(double patience_seconds) {
  const double deadline = monotonic_seconds() + patience_seconds;
  for (size_t end; (end = said_.find('\n')) == said_.npos || said_.size() > kMostOutput;) {
    pollfd ready{output_.get(), POLLIN, 0};
    ::poll(&ready, 1, 100);
    char piece[512];
    const ssize_t n = ::read(output_.get(), piece, sizeof piece);
    if (n == 0 || (n < 0 && (errno != EAGAIN || monotonic_seconds() > deadline))) return std::nullopt;
    if (n > 0) said_.append(piece, static_cast<size_t>(n));
  }
  const size_t end = said_.find('\n');
  std::string line = said_.substr(0, end);
  said_.erase(0, end + 1);
  return line;
}

void Child::stop(int signal_number) {
  if (!running()) return;
  ::kill(process_, signal_number);
  const double deadline = monotonic_seconds() + kEndSeconds;
  while (running() && monotonic_seconds() < deadline) ::usleep(static_cast<useconds_t>(kLookSeconds * 1e6));
  if (!running()) return;
  ::kill(-process_, SIGKILL);
  while (running()) ::usleep(1000);
}

ChildOutcome run_child(const ChildOptions& options) {
  auto child = Child::start(options);
  if (!child) return {127, child.error(), 0, 0};
  return (*child)->wait();
}

std::vector<pid_t> tree_of(pid_t root) {
  std::vector<pid_t> members{root};
  for (size_t i = 0; i < members.size(); ++i) {
    // Of each thread its own: any of them may have started a process.
    std::error_code gone;
    for (const auto& thread :
         std::filesystem::directory_iterator("/proc/" + std::to_string(members[i]) + "/task", gone)) {
      std::istringstream children(read_file(thread.path().string() + "/children"));
      for (pid_t child; children >> child;) members.push_back(child);
    }
  }
  return members;
}

// Its own to the nanosecond; of what it waited for the kernel tells ticks.
double cpu_seconds_of(pid_t process) {
  static const double kTick = static_cast<double>(::sysconf(_SC_CLK_TCK));
  const auto words = stat_of(process);
  double ticks = 0;
  for (size_t i = 13; i < 15 && words.size() > 15; ++i) ticks += std::strtod(words[i].c_str(), nullptr);
  clockid_t clock;
  timespec own{};
  if (::clock_getcpuclockid(process, &clock) != 0 || ::clock_gettime(clock, &own) != 0) return ticks / kTick;
  return ticks / kTick + static_cast<double>(own.tv_sec) + static_cast<double>(own.tv_nsec) * 1e-9;
}

double tree_cpu_seconds(pid_t root) {
  double seconds = 0;
  for (const pid_t process : tree_of(root)) seconds += cpu_seconds_of(process);
  return seconds;
}

uint64_t memory_of(pid_t process) {
  std::istringstream lines(read_file("/proc/" + std::to_string(process) + "/smaps_rollup"));
  for (std::string word; lines >> word;) {
    uint64_t kib = 0;
    if (word == "Pss:" && lines >> kib) return kib << 10;
  }
  return 0;
}

TreeUse tree_use(pid_t root) {
  TreeUse use;
  for (const pid_t process : tree_of(root)) {
    use.cpu_seconds += cpu_seconds_of(process);
    use.memory_bytes += memory_of(process);
    ++use.processes;
  }
  return use;
}

}  // namespace sluice::bench
