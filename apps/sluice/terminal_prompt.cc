// Characters one by one, so that a key that interrupts leaves the terminal as it was.
#include "apps/sluice/terminal_prompt.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "apps/terminal/terminal_guard.h"
#include "base/bytes.h"
#include "control/keys/name_patterns.h"

namespace sluice {
namespace {

void say(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(descriptor, text.data(), text.size());
    if (n < 0 && errno != EINTR) return;
    if (n > 0) text.remove_prefix(static_cast<size_t>(n));
  }
}

// What has been typed of a line.
class TypedLine {
 public:
  explicit TypedLine(int terminal, Echo echo) : terminal_(terminal), echo_(echo), bytes_(kMaxTyped) {}

  // True: the line is complete.
  bool take(uint8_t c) {
    if (c == '\n' || c == '\r') return true;
    if (c == 127 || c == 8) {
      drop_one();
    } else if (c == 21) {
      while (size_ > 0) drop_one();
    } else if (size_ < bytes_.size()) {
      bytes_.data()[size_++] = c;
      if (echo_ == Echo::on) say(terminal_, {reinterpret_cast<const char*>(&c), 1});
    }
    return false;
  }
  bool empty() const { return size_ == 0; }
  Secret take_all() const { return Secret(bytes_.view().first(size_)); }

 private:
  // A character of UTF-8 with all its bytes.
  void drop_one() {
    if (size_ == 0) return;
    while (size_ > 1 && (bytes_.data()[size_ - 1] & 0xc0) == 0x80) --size_;
    --size_;
    if (echo_ == Echo::on) say(terminal_, "\b \b");
  }

  int terminal_;
  Echo echo_;
  Secret bytes_;
  size_t size_ = 0;
};

constexpr uint8_t kInterrupt = 3, kEndOfFile = 4, kQuit = 28, kSuspend = 26;

bool helper_is_wanted(bool has_terminal) {
  const char* required = std::getenv("SSH_ASKPASS_REQUIRE");
  const std::string word = required ? required : "";
  if (word == "never") return false;
  if (word == "force" || word == "prefer") return true;
  const bool display = std::getenv("DISPLAY") != nullptr || std::getenv("WAYLAND_DISPLAY") != nullptr;
  return !has_terminal && display;
}

}  // namespace

TerminalPrompt::TerminalPrompt() : cancelled_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void TerminalPrompt::cancel() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(cancelled_.get(), &one, sizeof one);
}

std::optional<Secret> TerminalPrompt::ask(std::string_view question, Echo echo, AskKind kind) {
  const UniqueFd terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
  if (helper_is_wanted(static_cast<bool>(terminal))) {
    const char* program = std::getenv("SSH_ASKPASS");
    return ask_helper(program ? program : "/usr/bin/ssh-askpass", question, kind);
  }
  if (!terminal) return std::nullopt;
  return ask_terminal(terminal.get(), question, echo);
}

bool TerminalPrompt::confirm(std::string_view question) {
  const UniqueFd terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
  const auto word_is_yes = [](const std::optional<Secret>& typed) {
    return typed && to_lower(text_of(typed->view())) == "yes";
  };
  const char* program = std::getenv("SSH_ASKPASS");
  if (helper_is_wanted(static_cast<bool>(terminal))) {
    // Told to confirm, it has a button for each answer and nothing to print.
    const auto said = ask_helper(program ? program : "/usr/bin/ssh-askpass", question, AskKind::confirm);
    return said && (said->size() == 0 || word_is_yes(said));
  }
  if (!terminal) return false;
  return word_is_yes(ask_terminal(terminal.get(), std::string(question) + "(yes/no) ", Echo::on));
}

std::optional<Secret> TerminalPrompt::ask_terminal(int terminal, std::string_view question, Echo echo) {
  TerminalGuard guard(terminal);
  if (!guard.make_silent()) return std::nullopt;
  say(terminal, question);
  TypedLine line(terminal, echo);
  for (;;) {
    pollfd ready[2] = {{terminal, POLLIN, 0}, {cancelled_.get(), POLLIN, 0}};
    if (::poll(ready, 2, -1) < 0) {
      if (errno != EINTR) return std::nullopt;
      continue;
    }
    if (ready[1].revents != 0) return say(terminal, "\n"), std::nullopt;
    uint8_t c = 0;
    const ssize_t n = ::read(terminal, &c, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return std::nullopt;
    if (c == kInterrupt || c == kQuit) {
      say(terminal, "\n");
      guard.restore();
      ::kill(::getpid(), c == kInterrupt ? SIGINT : SIGQUIT);
      return std::nullopt;
    }
    if (c == kSuspend) {
      guard.restore();
      ::kill(::getpid(), SIGTSTP);
      guard.make_silent();
      say(terminal, question);
      continue;
    }
    if (c == kEndOfFile && line.empty()) return say(terminal, "\n"), std::nullopt;
    if (c == kEndOfFile || line.take(c)) break;
  }
  say(terminal, "\n");
  return line.take_all();
}

std::optional<Secret> TerminalPrompt::ask_helper(const char* program, std::string_view question, AskKind kind) const {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return std::nullopt;
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  const std::string text(question);
  const pid_t child = ::fork();
  if (child == 0) {
    // This thread may be one that takes no signals.
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::dup2(ends[1], STDOUT_FILENO);
    if (kind == AskKind::confirm) ::setenv("SSH_ASKPASS_PROMPT", "confirm", 1);
    ::execlp(program, program, text.c_str(), static_cast<char*>(nullptr));
    ::_exit(1);
  }
  write_end.reset();
  if (child < 0) return std::nullopt;
  Secret typed(kMaxTyped);
  size_t size = 0;
  while (size < typed.size()) {
    pollfd ready[2] = {{read_end.get(), POLLIN, 0}, {cancelled_.get(), POLLIN, 0}};
    if (::poll(ready, 2, -1) > 0 && ready[1].revents != 0) {
      ::kill(child, SIGTERM);
      break;
    }
    const ssize_t n = ::read(read_end.get(), typed.data() + size, typed.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    size += static_cast<size_t>(n);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return std::nullopt;
  size_t end = 0;
  while (end < size && typed.data()[end] != '\n' && typed.data()[end] != '\r') ++end;
  return Secret(typed.view().first(end));
}

}  // namespace sluice
