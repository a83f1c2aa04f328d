// One event after the other.
#include "apps/sluice/ssh_session.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <future>

#include "apps/sluice/client_log.h"
#include "base/log.h"
#include "base/text.h"
#include "base/wire.h"
#include "services/client_session/standard_end.h"
#include "services/shell/terminal_modes.h"

namespace sluice {
namespace {

// What goodbyes may take.
constexpr int kFarewellMs = 1000;

WindowSize window_size() {
  winsize size{};
  if (::ioctl(STDIN_FILENO, TIOCGWINSZ, &size) != 0) return {};
  return {size.ws_col, size.ws_row, size.ws_xpixel, size.ws_ypixel};
}

void run_local_command(const std::string& command) {
  const char* shell = std::getenv("SHELL");
  if (shell == nullptr || *shell == '\0') shell = "/bin/sh";
  const pid_t child = ::fork();
  if (child == 0) {
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execl(shell, shell, "-c", command.c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }
  int status = 0;
  while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
}

}  // namespace

SshSession::SshSession(ClientOptions options, SshWishes wishes, Background background)
    : options_(std::move(options)),
      wishes_(std::move(wishes)),
      background_(std::move(background)),
      run_(options_),
      channels_(run_, [this](ClientNote kind, uint32_t id, Bytes bytes) { take_note(kind, id, bytes); }),
      forwards_(channels_, options_.session),
      terminal_(STDIN_FILENO),
      verbosity_(options_.verbosity),
      quit_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

SshSession::~SshSession() {
  permission_.cancel();
  terminal_.restore();
}

void SshSession::push(Event event) {
  {
    const std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(event_.get(), &one, sizeof one);
}

std::optional<SshSession::Event> SshSession::next_event(int wait_ms) {
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (!events_.empty()) {
        Event event = std::move(events_.front());
        events_.pop_front();
        return event;
      }
    }
    pollfd ready[2] = {{event_.get(), POLLIN, 0}, {signals_.get(), POLLIN, 0}};
    const int n = ::poll(ready, 2, wait_ms);
    if (n == 0) return std::nullopt;
    uint64_t count;
    if (ready[0].revents != 0 && ::read(event_.get(), &count, sizeof count) < 0 && errno != EAGAIN) return std::nullopt;
    if (n > 0 && ready[1].revents != 0) {
      signalfd_siginfo info{};
      while (::read(signals_.get(), &info, sizeof info) == sizeof info) take_signal(static_cast<int>(info.ssi_signo));
    }
  }
}

// On control's thread.
void SshSession::take_note(ClientNote kind, uint32_t id, Bytes bytes) {
  if (master_ && master_->take(kind, id, bytes)) return;
  const std::vector<uint8_t> copy(bytes.begin(), bytes.end());
  switch (kind) {
    case ClientNote::session_ready: return push({Kind::session_ready, copy});
    case ClientNote::session_failed: return push({Kind::session_failed, copy});
    case ClientNote::session_ended: return push({Kind::session_ended, copy});
    case ClientNote::escape: return push({Kind::escape, copy});
    case ClientNote::idle: return push({Kind::idle});
    default: return;
  }
}

void SshSession::take_signals() {
  sigset_t taken;
  ::sigemptyset(&taken);
  for (const int number : {SIGWINCH, SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction now {};
    // Who was started to ignore it does so.
    if (::sigaction(number, nullptr, &now) == 0 && now.sa_handler != SIG_IGN) ::sigaddset(&taken, number);
  }
  ::pthread_sigmask(SIG_BLOCK, &taken, nullptr);
  signals_ = UniqueFd(::signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK));
}

void SshSession::take_signal(int number) {
  if (number != SIGWINCH) return push({Kind::terminate, {}, {}, std::to_string(number)});
  run_.post([this] {
    if (master_) master_->look_at_terminals();
  });
  if (session_ == 0 || !wishes_.terminal) return;
  channels_.order([id = session_.load(), size = window_size()](ClientChannels& channels) {
    if (ClientSession* session = channels.session(id)) session->resize(size);
  });
}

int SshSession::run() {
  LinkWishes wanted;
  wanted.opener = channels_.make_opener();
  wanted.note = channels_.note_taker();
  wanted.channels.budget = &run_.windows();
  wanted.interactive = wishes_.terminal;
  wanted.logged_in = [this](const LoggedIn& in) { host_unsafe_ = in.host_unsafe; };
  wanted.ended = [this](const LinkEnd& why) { push({Kind::link_ended, {}, why}); };
  run_.set_around_questions([this](bool asking) { hold_input(asking); });
  auto link = run_.connect(std::move(wanted));
  if (!link) {
    if (options_.verbosity > Verbosity::quiet) TerminalDialog::print(explain(link.error(), options_));
    return kOurFault;
  }
  link_ = *link;
  take_signals();
  run_.post([this] {
    channels_.set_link(link_);
    begin_forwards();
  });
  if (!options_.session.local_command.empty()) run_local_command(options_.session.local_command);
  for (;;) {
    const bool counting = wishes_.master_only && options_.master.persist_s.value_or(0) > 0;
    const auto event = next_event(counting ? 250 : -1);
    if (event && !take(*event)) return end(exit_);
    if (may_end()) return end(exit_);
  }
}

// On the pool. The worker may be waiting for its network: it is asked, and heard.
void SshSession::hold_input(bool asking) {
  const uint32_t id = session_;
  if (id == 0 || !terminal_.is_terminal()) return;
  auto held = std::make_shared<std::promise<void>>();
  auto done = held->get_future();
  channels_.order([id, asking, held](ClientChannels& channels) {
    if (ClientSession* session = channels.session(id)) session->pause_input(asking);
    held->set_value();
  });
  if (asking) done.wait_for(std::chrono::milliseconds(kFarewellMs));
}

SessionSpec SshSession::session_spec() const {
  const SessionWishes& wishes = options_.session;
  SessionSpec spec;
  spec.words = wishes.command;
  spec.program = wishes.kind == SessionKind::subsystem ? SessionSpec::Program::subsystem
                 : wishes.command.empty()              ? SessionSpec::Program::shell
                                                       : SessionSpec::Program::command;
  spec.terminal = wishes_.terminal;
  if (spec.terminal) {
    const char* type = std::getenv("TERM");
    spec.terminal_type = type ? type : "";
    spec.size = window_size();
    if (terminal_.is_terminal()) spec.modes = encode_terminal_modes(terminal_.original());
  }
  spec.environment = wishes.environment;
  spec.forward_agent = !wishes.agent_to_forward.empty();
  spec.escape = wishes.escape;
  spec.escape_command_line = wishes.escape_command_line;
  return spec;
}

void SshSession::begin_session() {
  if (wishes_.master_only || (options_.session.kind == SessionKind::none && !wishes_.stdio_target)) {
    return settle_background();
  }
  if (options_.session.forward_x11 && !wishes_.stdio_target && !std::exchange(display_sought_, true))
    return find_display();
  session_ = channels_.new_id();
  const int null = options_.session.stdin_null ? ::open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
  auto input = open_standard_end(null >= 0 ? null : STDIN_FILENO, false);
  if (null >= 0) ::close(null);
  auto output = open_standard_end(STDOUT_FILENO, true);
  if (wishes_.stdio_target) {
    const StreamTarget target{StreamTarget::Kind::tcp, wishes_.stdio_target->host, wishes_.stdio_target->port};
    channels_.start_stream(session_, target, std::move(input.descriptor), std::move(output.descriptor));
  } else {
    SessionSpec spec = session_spec();
    spec.x11 = display_;
    channels_.start_session(session_, std::move(spec),
                            {std::move(input.descriptor), std::move(output.descriptor),
                             std::move(open_standard_end(STDERR_FILENO, true).descriptor)});
  }
  // The channel has its own of each, or shares it: ours would keep a pipe's other end waiting for an end.
  if (!terminal_.is_terminal() && !background_.is_child()) {
    const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    ::dup2(nothing, STDIN_FILENO);
    if (::isatty(STDOUT_FILENO) == 0) ::dup2(nothing, STDOUT_FILENO);
    ::close(nothing);
  }
}

bool SshSession::take(const Event& event) {
  switch (event.kind) {
    case Kind::forward_failed:
      if (options_.session.exit_on_forward_failure) {
        complain(joined({"Error: ", event.text}));
        return false;
      }
      if (verbosity_ >= Verbosity::info) complain(joined({"Warning: ", event.text}));
      return true;
    case Kind::forwards_ready:
    case Kind::display_found: return begin_session(), true;
    case Kind::session_ready:
      session_ready_ = true;
      if (wishes_.terminal && terminal_.is_terminal()) terminal_.make_raw();
      settle_background();
      return true;
    case Kind::session_failed: complain(text_of(event.bytes)); return false;
    case Kind::session_ended: {
      WireReader reader(event.bytes);
      const uint32_t status = reader.u32();
      const bool known = reader.u8() != 0;
      const std::string signal(reader.text());
      exit_ = known ? static_cast<int>(status & 0xff) : kOurFault;
      if (!signal.empty()) log_line(LogLevel::info, joined({"The command was ended by signal ", signal}));
      session_over_ = true;
      terminal_.restore();
      return true;
    }
    case Kind::idle: return idle_ = true;
    case Kind::escape: return take_escape(event.bytes);
    case Kind::clients_changed: return true;
    case Kind::terminate:
      terminal_.restore();
      if (!event.text.empty() && verbosity_ >= Verbosity::info)
        complain(joined({"Killed by signal ", event.text, "."}));
      exit_ = event.text.empty() ? 0 : kOurFault;
      return false;
    case Kind::link_ended: break;
  }
  link_over_ = true;
  terminal_.restore();
  if (event.end && !session_over_ && verbosity_ > Verbosity::quiet) {
    TerminalDialog::print(event.end->kind == FailureKind::closed
                              ? joined({"Connection to ", options_.host, " closed by remote host.\n"})
                              : explain(*event.end, options_));
    exit_ = kOurFault;
  }
  return false;
}

bool SshSession::may_end() const {
  if (wishes_.master_only) return const_cast<SshSession*>(this)->persist_over();
  return session_over_ && idle_ && clients_ == 0;
}

// A master that stays for so long after its last client.
bool SshSession::persist_over() {
  const long long seconds = options_.master.persist_s.value_or(0);
  if (seconds == 0 || clients_ > 0) return alone_since_ms_ = 0, false;
  if (alone_since_ms_ == 0) alone_since_ms_ = ControlLoop::now_ms();
  if (ControlLoop::now_ms() - alone_since_ms_ < seconds * 1000) return false;
  exit_ = 0;
  return true;
}

// -f and ControlPersist: the user gets his shell back.
void SshSession::settle_background() {
  if (!background_.is_child() || background_.gone()) return;
  // The session has its own of each stream by now: whoever waits for the end of ours waits for no background process.
  background_.let_go(wishes_.master_only || verbosity_ != Verbosity::debug);
}

int SshSession::end(int code) {
  terminal_.restore();
  (void)::eventfd_write(quit_.get(), 1);
  restore_standard_flags();
  if (wishes_.terminal && !link_over_ && verbosity_ >= Verbosity::info) {
    complain(joined({"Connection to ", options_.host, " closed."}));
  }
  // Sockets that others see go now; what else there is goes with the process.
  run_.post([this] {
    if (master_) master_->stop_listening();
    forwards_.remove_paths();
    if (ClientConnection* open = run_.connection(link_)) open->close();
  });
  while (!link_over_) {
    const auto event = next_event(kFarewellMs);
    if (!event || event->kind == Kind::link_ended) break;
  }
  return code;
}

}  // namespace sluice
