// ClientListener: a socket of ours that listens; each connection to it becomes a channel towards the server.
#pragma once

#include <list>

#include "services/client_session/client_channels.h"
#include "services/client_session/socks_parser.h"

namespace sluice {

// Clients of SOCKS that have not said where to: whoever connects and stays silent costs a descriptor.
inline constexpr size_t kMaxSocksHandshakes = 128;

class ClientListener final : private Watcher {
 public:
  ClientListener(ClientChannels& channels, UniqueFd listener, StreamTarget target);
  ~ClientListener() override;
  ClientListener(const ClientListener&) = delete;
  ClientListener& operator=(const ClientListener&) = delete;

  // Each turn.
  void on_turn();

 private:
  class Handshake;
  void on_ready(uint32_t) override { ready_ = true; }
  bool accept_one();
  void open(UniqueFd socket, const std::string& from, uint32_t port);

  ClientChannels& channels_;
  UniqueFd listener_;
  StreamTarget target_;
  std::list<std::unique_ptr<Handshake>> handshakes_;
  bool ready_ = true;
};

}  // namespace sluice
