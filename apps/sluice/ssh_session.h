// SshSession: `sluice ssh` from a logged-in link to its exit code: forwarded ports, the session, escapes, signals,
// other clients on the same connection.
//
// The caller's thread waits here for what control's thread tells it and for signals.
#pragma once

#include <deque>
#include <mutex>

#include "apps/sluice/background.h"
#include "apps/sluice/forwards.h"
#include "apps/sluice/link_channels.h"
#include "apps/sluice/mux_master.h"
#include "apps/terminal/terminal_guard.h"

namespace sluice {

struct SshWishes {
  std::optional<ForwardEnd> stdio_target;
  bool terminal = false;
  // A master for others: no session of its own, and it stays when its clients are gone.
  bool master_only = false;
  bool master = false;  // for others: listens at options.master.path, once logged in
};

class SshSession {
 public:
  SshSession(ClientOptions options, SshWishes wishes, Background background);
  ~SshSession();

  // The exit code.
  int run();

 private:
  static constexpr int kOurFault = 255;
  enum class Kind : uint8_t {
    session_ready,
    session_failed,
    session_ended,
    escape,
    idle,
    link_ended,
    forward_failed,
    forwards_ready,
    display_found,
    clients_changed,
    terminate
  };
  struct Event {
    Kind kind;
    std::vector<uint8_t> bytes = {};
    LinkEnd end = {};
    std::string text = {};
  };

  void push(Event event);
  std::optional<Event> next_event(int wait_ms);
  void take_note(ClientNote kind, uint32_t id, Bytes bytes);
  void begin_forwards();
  void begin_master();
  void ask(const std::string& question, const std::function<void(bool)>& then);
  // While somebody is asked, what is typed is no input of the session's.
  void hold_input(bool asking);
  void take_forward(const ForwardSpec& spec, const ResultOrText<uint32_t>& outcome);
  void begin_session();
  void find_display();
  SessionSpec session_spec() const;
  void take_signals();
  void take_signal(int number);
  // False: it is over, and exit_ is the code.
  bool take(const Event& event);
  bool take_escape(Bytes bytes);
  void suspend();
  void take_command(const std::string& words);
  bool may_end() const;
  bool persist_over();
  void settle_background();
  int end(int code);

  ClientOptions options_;
  SshWishes wishes_;
  Background background_;
  TerminalPrompt permission_;  // of others on the connection; the pool's threads may be in it
  ClientRun run_;
  LinkChannels channels_;
  Forwards forwards_;
  std::unique_ptr<MuxMaster> master_;  // control's thread
  TerminalGuard terminal_;
  SessionId link_ = 0;
  std::atomic<uint32_t> session_{0};
  bool display_sought_ = false;
  std::optional<X11Request> display_;
  bool host_unsafe_ = false;  // control's thread
  size_t forwards_due_ = 0;   // control's thread
  bool session_over_ = false;
  bool idle_ = false;
  bool forwards_ready_ = false;
  bool session_ready_ = false;
  bool link_over_ = false;
  int exit_ = kOurFault;
  std::atomic<size_t> clients_{0};
  int64_t alone_since_ms_ = 0;
  Verbosity verbosity_;
  UniqueFd quit_;  // readable: whoever waits for a program here is to stop

  std::mutex mutex_;
  std::deque<Event> events_;
  UniqueFd event_;
  UniqueFd signals_;
};

}  // namespace sluice
