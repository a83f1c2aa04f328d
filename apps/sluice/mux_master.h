// MuxMaster: other clients on this connection: who connects to the control socket gets sessions and forwarded ports of
// it. On control's thread.
#pragma once

#include <list>

#include "apps/sluice/forwards.h"
#include "apps/sluice/link_channels.h"
#include "apps/sluice/mux_protocol.h"
#include "apps/sluice/terminal_prompt.h"

namespace sluice {

// Connected to the control socket at one time.
inline constexpr size_t kMaxMuxClients = 64;

class MuxMaster {
 public:
  struct Around {
    LinkChannels& channels;
    Forwards& forwards;
    const ClientOptions& options;
    std::function<void()> terminate;        // -O exit
    std::function<void()> clients_changed;  // one came or went
    // ControlMaster ask: a question, and what to do with its answer, later; null: everybody is allowed everything.
    std::function<void(const std::string&, std::function<void(bool)>)> ask = {};
  };
  MuxMaster(UniqueFd listener, std::string path, Around around);
  ~MuxMaster();
  MuxMaster(const MuxMaster&) = delete;
  MuxMaster& operator=(const MuxMaster&) = delete;

  // What the channels say of a session that is one of ours; false: it is not.
  bool take(ClientNote kind, uint32_t id, Bytes bytes);
  // The terminals of clients may have another size.
  void look_at_terminals();
  void stop_listening();
  size_t clients() const { return clients_.size(); }

 private:
  struct Client;
  void accept_all();
  void read(Client& client);
  bool read_packet(Client& client);
  // False: the client is to be dropped.
  bool handle(Client& client, Bytes message);
  void obey(Client& client, MuxMessage type, uint32_t request, Bytes message);
  // Now, or when the user has said yes. Nothing is read of the client until then.
  void with_consent(Client& client, const std::string& what, uint32_t request, std::function<void()> action);
  void ask_next();
  void take_consent(const std::shared_ptr<bool>& alive, bool yes);
  bool take_session(Client& client, Bytes message);
  bool take_forward(Client& client, Bytes message, bool open);
  void open_session(Client& client);
  void answer_forward(const std::shared_ptr<bool>& alive, Client& client, uint32_t request,
                      const ResultOrText<uint32_t>& outcome, bool tell_port);
  void send(Client& client, Bytes message);
  void refuse(Client& client, uint32_t request, std::string_view why);
  void drop(Client& client);

  UniqueFd listener_;
  std::string path_;
  Around around_;
  struct Question {
    Client* client;
    std::shared_ptr<bool> alive;  // the client's
    std::string text;
    uint32_t request;
    std::function<void()> action;
  };
  // One at a time is asked, the first; a client has one at most.
  std::list<Question> questions_;
  std::list<Client> clients_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sluice
