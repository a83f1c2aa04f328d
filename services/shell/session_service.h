// SessionService: a channel of type "session" (RFC 4254 section 6): what a client says before its program, which
// program that comes to, and from then on a way to the service that runs it.
#pragma once

#include "services/connection/idle_clock.h"
#include "services/shell/byte_queue.h"

namespace sluice {

// What ServiceMakers::channels has under "session".
OpenDecision open_session_channel(ConnectionServices& connection, Bytes extra);

class SessionService final : public Service, private IdleWatched {
 public:
  explicit SessionService(ConnectionServices& connection);
  ~SessionService() override;

  void attach(Channel& channel) override;
  void on_data(std::span<const MutableBytes> pieces) override;
  void on_stderr(Bytes data) override;
  RequestAnswer on_request(const ChannelRequest& request) override;
  void on_reply(bool success) override;
  void on_eof() override;
  void on_close() override;
  void on_turn() override;

 private:
  // A program was asked for and not begun.
  struct Wanted {
    ProgramKind kind;
    std::string words;
  };

  // What the channel turned out to be.
  void tell(std::string_view type);
  RequestAnswer prepare(const ChannelRequest& request);
  RequestAnswer take_terminal(Bytes extra);
  RequestAnswer take_variable(Bytes extra);
  RequestAnswer ask_agent();
  void take_agent(bool granted, uint32_t handle);
  RequestAnswer begin(const ChannelRequest& request);
  RequestAnswer start(const Wanted& wanted);
  RequestAnswer run_inside(std::unique_ptr<Service> service);
  RequestAnswer spawn(const Wanted& wanted);
  void attach_inner();
  void drop_refused();
  bool on_idle_look(uint64_t now_ns) override;

  ConnectionServices& connection_;
  Channel* channel_ = nullptr;
  std::unique_ptr<Service> inner_;
  bool inner_refused_ = false;
  bool eof_received_ = false;
  bool over_ = false;
  SpawnProgram spawn_;  // as far as it is known
  size_t variable_bytes_ = 0;
  std::optional<uint32_t> agent_handle_;
  bool agent_asked_ = false, agent_awaited_ = false;
  std::optional<Wanted> wanted_;  // waits for the agent's socket
  ByteQueue early_;               // what came for it meanwhile: at most the window
  // Whether anything moved since the last look.
  bool moved_ = true;
  uint64_t window_seen_ = 0;
  uint64_t moved_ns_ = 0;
  // Gone with this: an agent's socket may come when nobody waits for it.
  std::shared_ptr<SessionService*> self_;
  uint32_t told_number_ = 0;
};

}  // namespace sluice
