// What a session shares with others: forwarded ports, agent and display, and the connection itself. On control's
// thread.
#include <cstdlib>

#include "apps/sluice/client_log.h"
#include "apps/sluice/ssh_session.h"
#include "apps/sluice/x11_display.h"
#include "base/log.h"
#include "base/text.h"

namespace sluice {

void SshSession::begin_forwards() {
  if (host_unsafe_) {
    complain("The host key changed: nothing is forwarded, neither ports nor the agent.");
    options_.session.forwards.clear();
    options_.session.agent_to_forward.clear();
  }
  const bool agent = !options_.session.agent_to_forward.empty();
  if (agent) {
    channels_.order(
        [path = options_.session.agent_to_forward](ClientChannels& channels) { channels.forward_agent(path); });
  }
  const auto& wanted = options_.session.forwards;
  forwards_due_ = wanted.size() + 1;
  for (const ForwardSpec& spec : wanted) {
    forwards_.begin(spec, [this, spec](const ResultOrText<uint32_t>& outcome) { take_forward(spec, outcome); });
  }
  if (wishes_.master) begin_master();
  if (--forwards_due_ == 0) push({Kind::forwards_ready});
}

// Not before the login: nobody is to wait at a socket whose master still asks for a password.
void SshSession::begin_master() {
  auto socket = listen_for_mux(options_.master.path);
  if (!socket) {
    if (wishes_.master_only) return push({Kind::session_failed, {socket.error().begin(), socket.error().end()}});
    return complain(socket.error());
  }
  MuxMaster::Around around{channels_, forwards_, options_, [this] { push({Kind::terminate}); },
                           [this] {
                             clients_ = master_ ? master_->clients() : 0;
                             push({Kind::clients_changed});
                           }};
  if (options_.master.mode == MasterMode::ask || options_.master.mode == MasterMode::automatic_ask) {
    around.ask = [this](const std::string& question, std::function<void(bool)> then) { ask(question, then); };
  }
  master_ = std::make_unique<MuxMaster>(std::move(*socket), options_.master.path, std::move(around));
}

// The user may take his time: nobody else waits for him.
void SshSession::ask(const std::string& question, const std::function<void(bool)>& then) {
  auto allowed = std::make_shared<bool>(false);
  const bool taken = run_.pool().run(
      {.source = options_.host, .logged_in = true},
      [this, question, allowed] {
        hold_input(true);
        *allowed = permission_.confirm(question);
        hold_input(false);
      },
      [then, allowed] { then(*allowed); });
  if (!taken) then(false);
}

void SshSession::take_forward(const ForwardSpec& spec, const ResultOrText<uint32_t>& outcome) {
  const bool remote = spec.kind == ForwardKind::remote;
  if (!outcome) {
    const std::string what =
        remote ? joined({"remote port forwarding failed for listen ", spec.listen.is_path() ? "path " : "port ",
                         spec.listen.is_path() ? spec.listen.path : std::to_string(spec.listen.port), ": ",
                         outcome.error()})
               : joined({outcome.error(), "\nCould not request local forwarding."});
    push({Kind::forward_failed, {}, {}, what});
  } else if (remote && !spec.listen.is_path() && spec.listen.port == 0) {
    log_line(LogLevel::notice, joined({"Allocated port ", std::to_string(*outcome), " for remote forward to ",
                                       spec.target ? spec.target->text() : std::string("SOCKS")}));
  }
  if (--forwards_due_ == 0) push({Kind::forwards_ready});
}

// The display's cookie stays here. Without a display nothing is forwarded, which programs there will say. xauth may
// take its time: it runs in the pool, and signals are heard meanwhile.
void SshSession::find_display() {
  const char* name = std::getenv("DISPLAY");
  if (name == nullptr || *name == '\0') {
    log_line(LogLevel::debug, "X11 is not forwarded: DISPLAY is not set");
    return push({Kind::display_found});
  }
  run_.post([this, name = std::string(name)] {
    if (host_unsafe_) return complain("The host key changed: X11 is not forwarded."), push({Kind::display_found});
    using Found = ResultOrText<X11Display>;
    auto found = std::make_shared<Found>(fail("too much work waits here"));
    const auto take = [this, found] {
      if (*found) {
        display_ = (*found)->shown;
        channels_.order([display = std::move(**found)](ClientChannels& channels) { channels.forward_x11(display); });
      } else {
        complain("Warning: X11 is not forwarded: " + found->error());
      }
      push({Kind::display_found});
    };
    const auto look = [this, found, name] { *found = read_x11_display(name, options_.session, quit_.get()); };
    if (!run_.pool().run({.source = "xauth", .logged_in = true}, look, take)) take();
  });
}

}  // namespace sluice
