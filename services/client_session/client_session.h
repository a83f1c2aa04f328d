// ClientSession: a session channel (RFC 4254 section 6) with the user's standard streams at this end.
//
// What the server sends is written at once or kept: at most the window, which grows only by what was written. What the
// user sends is read only as there is room. The session ends when the server closed it and all that it sent has
// been written.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "services/client_session/client_channels.h"
#include "services/client_session/escape_filter.h"
#include "services/client_session/x11_stream.h"
#include "services/forward/backlog.h"

namespace sluice {

struct WindowSize {
  uint32_t columns = 80, rows = 24, width = 0, height = 0;
};

struct SessionSpec {
  enum class Program : uint8_t { shell, command, subsystem };
  Program program = Program::shell;
  std::string words;
  bool terminal = false;
  std::string terminal_type;
  WindowSize size;
  std::vector<uint8_t> modes;  // RFC 4254 section 8
  std::vector<std::pair<std::string, std::string>> environment;
  bool forward_agent = false;
  std::optional<X11Request> x11 = {};
  int escape = -1;
  bool escape_command_line = false;
};

// All three are there; what cannot be watched is always ready.
struct SessionStreams {
  UniqueFd input, output, errors;
};

class ClientSession final : public Service {
 public:
  ClientSession(ClientChannels& channels, uint32_t id, SessionSpec spec, SessionStreams streams);
  ~ClientSession() override;

  void attach(Channel& channel) override;
  void on_confirmed(Bytes) override;
  void on_refused(OpenFailure, std::string_view text) override;
  void on_data(std::span<const MutableBytes> pieces) override;
  void on_stderr(Bytes data) override;
  RequestAnswer on_request(const ChannelRequest& request) override;
  void on_reply(bool success) override;
  void on_eof() override {}
  void on_close() override;
  bool lingers() const override { return !output_.backlog.empty() || !errors_.backlog.empty(); }
  void on_turn() override;

  // Of the user.
  void resize(const WindowSize& size);
  void send_signal(std::string_view name);
  void send_break();
  // For the user, beside what the server says.
  void tell_user(std::string_view text);
  // Closes the channel, whatever is still to be said.
  void hang_up();
  // The terminal is somebody else's for a while, or ours again.
  void pause_input(bool paused);

 private:
  struct Input final : Watcher {
    void on_ready(uint32_t) override { ready = true; }
    UniqueFd descriptor;
    bool ready = true;
    bool ended = false;
  };
  struct Output final : Watcher {
    void on_ready(uint32_t) override { ready = true; }
    UniqueFd descriptor;
    Backlog backlog;
    bool ready = true;
    bool broken = false;
  };
  enum class Asked : uint8_t { terminal, x11, program, other };

  void ask_x11();
  void ask_program();
  void write(Output& output, std::span<const MutableBytes> pieces);
  void write_kept(Output& output);
  static void write_last(Output& output);
  void break_output(Output& output);
  void pump_input();
  bool read_straight();
  bool read_filtered();
  void send_typed();
  void end_input();
  void release();

  ClientChannels& channels_;
  uint32_t id_;
  SessionSpec spec_;
  Channel* channel_ = nullptr;
  EscapeFilter filter_;
  Input input_;
  Output output_, errors_;
  std::vector<uint8_t> typed_;  // filtered, not sent yet
  size_t read_size_;
  std::vector<Asked> asked_;  // requests of ours without their answers, oldest first
  bool running_ = false;
  bool paused_ = false;
  bool failed_ = false;
  bool finished_ = false;
  bool hung_up_ = false;
  std::optional<uint32_t> exit_status_;
  std::string exit_signal_;
};

}  // namespace sluice
