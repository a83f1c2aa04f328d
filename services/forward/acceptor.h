// Acceptor: a descriptor that listens in the user's name; each connection to it becomes a channel towards the client.
#pragma once

#include <sys/socket.h>

#include <functional>
#include <string>

#include "services/connection/connection_services.h"
#include "services/forward/stream_service.h"

namespace sluice {

// Connections to all of a connection's listeners that are channels at one time: strangers who connect must leave
// channels for the client himself. Others wait in the kernel's queue.
inline constexpr size_t kMaxAcceptedStreams = 128;
// Taken in one turn: a flood of connections must not keep the worker.
inline constexpr size_t kAcceptsPerTurn = 16;

class Acceptor final : private Watcher {
 public:
  // What follows the packet size in CHANNEL_OPEN, from the address of who connected.
  using Describe = std::function<std::vector<uint8_t>(const sockaddr_storage& from)>;

  Acceptor(ConnectionServices& connection, UniqueFd listener, std::string type, Describe describe,
           StreamCounts& counts);
  ~Acceptor() override;
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  // Each turn.
  void on_turn();

 private:
  void on_ready(uint32_t) override { ready_ = true; }
  bool accept_one();

  ConnectionServices& connection_;
  UniqueFd listener_;
  std::string type_;
  Describe describe_;
  StreamCounts& counts_;
  bool ready_ = true;
};

}  // namespace sluice
