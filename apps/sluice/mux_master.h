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
    std::function<void()> terminate;                       // -O exit
    std::function<void()> clients_changed;                 // one came or went
    std::function<bool(const std::string&)> allowed = {};  // ControlMaster ask
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
  std::list<Client> clients_;
};

}  // namespace sluice
