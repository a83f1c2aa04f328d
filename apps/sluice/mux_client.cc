// Question and answer; then waiting for the end.
#include "apps/sluice/mux_client.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "apps/sluice/client_log.h"
#include "apps/sluice/mux_protocol.h"
#include "apps/terminal/terminal_guard.h"
#include "base/log.h"
#include "base/text.h"
#include "base/wire.h"

namespace sluice {
namespace {

constexpr int kOurFault = 255;

struct Answer {
  MuxMessage type;
  uint32_t number;
  std::vector<uint8_t> rest;
};

class MuxTalk {
 public:
  MuxTalk(UniqueFd socket, const ClientOptions& options) : socket_(std::move(socket)), options_(options) {}

  bool greet() {
    if (!send(WireWriter().u32(static_cast<uint32_t>(MuxMessage::hello)).u32(kMuxVersion).view())) return false;
    const auto hello = receive();
    return hello && hello->type == MuxMessage::hello && hello->number == kMuxVersion;
  }
  // 0: nobody there.
  uint32_t master_process() {
    const auto answer = ask(MuxMessage::alive_check, {});
    return answer && answer->type == MuxMessage::alive && answer->rest.size() >= 4 ? load_be32(answer->rest.data()) : 0;
  }
  std::optional<Answer> ask(MuxMessage type, Bytes fields) {
    if (!send(WireWriter().u32(static_cast<uint32_t>(type)).u32(++request_).raw(fields).view())) return std::nullopt;
    return receive();
  }
  bool send(Bytes message) {
    const auto packet = mux_packet(message);
    size_t sent = 0;
    while (sent < packet.size()) {
      const ssize_t n = ::send(socket_.get(), packet.data() + sent, packet.size() - sent, MSG_NOSIGNAL);
      if (n < 0 && errno != EINTR) return false;
      if (n > 0) sent += static_cast<size_t>(n);
    }
    return true;
  }
  std::optional<Answer> receive() {
    uint8_t length[4];
    if (!read_all(length)) return std::nullopt;
    const uint32_t size = load_be32(length);
    if (size < 8 || size > kMaxMuxMessage) return std::nullopt;
    std::vector<uint8_t> body(size);
    if (!read_all(body)) return std::nullopt;
    return Answer{
        static_cast<MuxMessage>(load_be32(body.data())), load_be32(body.data() + 4), {body.begin() + 8, body.end()}};
  }
  // A question whose answer comes only after descriptors have gone.
  std::optional<Answer> ask_with(MuxMessage type, Bytes fields, std::span<const int> descriptors) {
    if (!send(WireWriter().u32(static_cast<uint32_t>(type)).u32(++request_).raw(fields).view())) return std::nullopt;
    for (const int descriptor : descriptors) {
      if (!send_mux_descriptor(socket_.get(), descriptor)) return std::nullopt;
    }
    return receive();
  }
  int descriptor() const { return socket_.get(); }

 private:
  bool read_all(MutableBytes into) {
    while (!into.empty()) {
      const ssize_t n = ::read(socket_.get(), into.data(), into.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;
      into = into.subspan(static_cast<size_t>(n));
    }
    return true;
  }

  UniqueFd socket_;
  const ClientOptions& options_;
  uint32_t request_ = 0;
};

std::string reason_in(const Answer& answer) {
  WireReader reader(answer.rest);
  std::string text;
  for (const char c : reader.text().substr(0, 256)) text.push_back(c >= 32 && c < 127 ? c : '?');
  return text;
}

// Of the three streams, as they were when the session is over: a master may have changed them.
class KeptFlags {
 public:
  KeptFlags() {
    for (int i = 0; i < 3; ++i) flags_[i] = ::fcntl(i, F_GETFL);
  }
  ~KeptFlags() {
    for (int i = 0; i < 3; ++i) {
      if (flags_[i] >= 0) ::fcntl(i, F_SETFL, flags_[i]);
    }
  }

 private:
  int flags_[3];
};

std::vector<uint8_t> forward_fields(const ForwardSpec& spec) {
  WireWriter out;
  const MuxForward kind = spec.kind == ForwardKind::remote ? MuxForward::remote
                          : spec.target                    ? MuxForward::local
                                                           : MuxForward::dynamic;
  out.u32(static_cast<uint32_t>(kind));
  const auto end = [&](const ForwardEnd& one) {
    if (one.is_path()) {
      out.string(one.path).u32(kMuxPathPort);
    } else {
      out.string(one.host).u32(one.port);
    }
  };
  end(spec.listen);
  if (spec.target) {
    end(*spec.target);
  } else {
    out.string(spec.kind == ForwardKind::remote ? "socks" : "").u32(0);
  }
  return out.take();
}

// All of -L, -R and -D. False: one failed, and the user knows.
bool send_forwards(MuxTalk& talk, const ClientOptions& options, MuxMessage type) {
  for (const ForwardSpec& spec : options.session.forwards) {
    const auto answer = talk.ask(type, forward_fields(spec));
    if (answer && answer->type == MuxMessage::remote_port && answer->rest.size() >= 4) {
      const std::string port = std::to_string(load_be32(answer->rest.data()));
      if (options.verbosity >= Verbosity::info) complain(joined({"Allocated port ", port, " for remote forward"}));
      // For scripts, as stock ssh prints it.
      std::printf("%s\n", port.c_str());
    } else if (!answer || answer->type != MuxMessage::ok) {
      complain(joined({"mux_client_forward: forwarding request failed: ", answer ? reason_in(*answer) : "no answer"}));
      return false;
    }
  }
  return true;
}

int give_order(MuxTalk& talk, const ClientOptions& options, const std::string& order) {
  if (order == "check") {
    const uint32_t process = talk.master_process();
    if (process == 0) return complain("the master does not answer"), kOurFault;
    complain(joined({"Master running (pid=", std::to_string(process), ")"}));
    return 0;
  }
  if (order == "forward" || order == "cancel") {
    if (options.session.forwards.empty()) return complain(joined({"-O ", order, " wants -L, -R or -D"})), kOurFault;
    const auto type = order == "forward" ? MuxMessage::open_forward : MuxMessage::close_forward;
    return send_forwards(talk, options, type) ? 0 : kOurFault;
  }
  const auto type = order == "exit" ? MuxMessage::terminate : MuxMessage::stop_listening;
  auto answer = talk.ask(type, {});
  // A master of stock ssh is gone before its answer is.
  if (!answer && order == "exit") answer = Answer{MuxMessage::ok, 0, {}};
  if (!answer || answer->type != MuxMessage::ok) {
    return complain(joined({"the master refused: ", answer ? reason_in(*answer) : "no answer"})), kOurFault;
  }
  complain(order == "exit" ? "Exit request sent." : "Stop listening request sent.");
  return 0;
}

std::vector<uint8_t> session_fields(const ClientOptions& options, bool terminal) {
  const SessionWishes& wishes = options.session;
  const char* type = std::getenv("TERM");
  if (wishes.forward_x11 && std::getenv("DISPLAY") != nullptr) {
    complain("X11 is not forwarded through a shared connection; -S none makes one of its own.");
  }
  WireWriter out;
  out.string("").u32(terminal ? 1 : 0).u32(0).u32(wishes.agent_to_forward.empty() ? 0 : 1);
  out.u32(wishes.kind == SessionKind::subsystem ? 1 : 0);
  out.u32(wishes.escape < 0 ? kMuxNoEscape : static_cast<uint32_t>(wishes.escape));
  out.string(type ? type : "").string(wishes.command);
  for (const auto& [name, value] : wishes.environment) out.string(joined({name, "=", value}));
  return out.take();
}

// Until the master says how it ended, or goes away.
int wait_for_end(MuxTalk& talk, const ClientOptions& options, pid_t master, TerminalGuard* terminal) {
  sigset_t taken;
  ::sigemptyset(&taken);
  ::sigaddset(&taken, SIGWINCH);
  ::sigprocmask(SIG_BLOCK, &taken, nullptr);
  const UniqueFd signals(::signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK));
  std::optional<int> status;
  for (;;) {
    pollfd ready[2] = {{talk.descriptor(), POLLIN, 0}, {signals.get(), POLLIN, 0}};
    if (::poll(ready, 2, -1) < 0 && errno != EINTR) break;
    if (ready[1].revents != 0) {
      signalfd_siginfo info;
      while (::read(signals.get(), &info, sizeof info) > 0) continue;
      ::kill(master, SIGWINCH);
    }
    if (ready[0].revents == 0) continue;
    const auto message = talk.receive();
    if (!message) break;
    if (message->type == MuxMessage::exit_message && message->rest.size() >= 4) {
      status = static_cast<int>(load_be32(message->rest.data()));
    } else if (message->type == MuxMessage::tty_alloc_failed) {
      if (terminal) terminal->restore();
      complain("PTY allocation request failed");
    }
  }
  if (terminal) terminal->restore();
  if (terminal != nullptr && options.verbosity >= Verbosity::info) {
    complain(joined({"Shared connection to ", options.host, " closed."}));
  }
  return status.value_or(kOurFault);
}

}  // namespace

std::optional<int> run_over_mux(UniqueFd master, const ClientOptions& options, const MuxWish& wish) {
  ::signal(SIGPIPE, SIG_IGN);
  const KeptFlags flags;
  MuxTalk talk(std::move(master), options);
  if (!talk.greet()) return std::nullopt;
  if (!wish.order.empty()) return give_order(talk, options, wish.order);
  const uint32_t process = talk.master_process();
  if (process == 0) return std::nullopt;
  if (!send_forwards(talk, options, MuxMessage::open_forward) && options.session.exit_on_forward_failure) {
    return kOurFault;
  }
  const UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int input = options.session.stdin_null ? null.get() : STDIN_FILENO;
  std::optional<Answer> answer;
  if (wish.stdio_target) {
    const int descriptors[] = {input, STDOUT_FILENO};
    answer = talk.ask_with(MuxMessage::new_stdio_forward,
                           WireWriter().string("").string(wish.stdio_target->host).u32(wish.stdio_target->port).view(),
                           descriptors);
  } else if (options.session.kind == SessionKind::none) {
    // Forwardings only, which are the master's now. Who is to stay stays as long as the master.
    return options.session.fork_after_login ? 0 : wait_for_end(talk, options, static_cast<pid_t>(process), nullptr);
  } else {
    const int descriptors[] = {input, STDOUT_FILENO, STDERR_FILENO};
    answer = talk.ask_with(MuxMessage::new_session, session_fields(options, wish.terminal), descriptors);
  }
  if (!answer || answer->type != MuxMessage::session_opened) {
    complain(joined({"mux_client_request_session: session request failed: ",
                     answer ? reason_in(*answer) : "the master closed the connection"}));
    // A master that has no room, or was forbidden: another connection may do better, as stock ssh has it.
    return answer && answer->type == MuxMessage::failure ? std::optional<int>() : kOurFault;
  }
  TerminalGuard terminal(STDIN_FILENO);
  if (wish.terminal) terminal.make_raw();
  return wait_for_end(talk, options, static_cast<pid_t>(process), wish.terminal ? &terminal : nullptr);
}

}  // namespace sluice
