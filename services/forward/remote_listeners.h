// RemoteListeners: what a client has asked the server to listen on for him: global requests tcpip-forward,
// streamlocal-forward@openssh.com and their cancellations.
#pragma once

#include <list>
#include <memory>

#include "services/forward/acceptor.h"
#include "services/forward/forward_state.h"

namespace sluice {

class RemoteListeners final : public ConnectionPart {
 public:
  static constexpr std::string_view kName = "forward.listeners";

  explicit RemoteListeners(ConnectionServices& connection)
      : connection_(connection), state_(connection.part<ForwardState>()), caller_(connection.broker()) {}

  // RFC 4254 section 7.1; OpenSSH's PROTOCOL, section 2.4. `request`: for the answer.
  void listen_tcp(uint32_t request, Bytes extra);
  void cancel_tcp(uint32_t request, Bytes extra);
  void listen_unix(uint32_t request, Bytes extra);
  void cancel_unix(uint32_t request, Bytes extra);

  void on_turn() override;
  size_t size() const { return listeners_.size(); }

 private:
  struct Listener {
    bool tcp;
    std::string name;  // address or path, as the client wrote it: he knows it by that
    uint32_t asked_port;
    uint32_t port = 0;
    uint32_t handle = 0;
    bool listening = false;
    std::optional<uint32_t> cancel;  // a request that came before the broker's answer
    std::vector<std::unique_ptr<Acceptor>> acceptors;
  };
  using Place = std::list<Listener>::iterator;

  void listen(uint32_t request, Listener wanted, BrokerRequest asked);
  void take(uint32_t request, Place listener, BrokerReceived&& received);
  void accept_with(Listener& listener, std::vector<UniqueFd> descriptors);
  void cancel(uint32_t request, bool tcp, std::string_view name, uint32_t port);
  void log(const Listener& listener, std::string line);

  ConnectionServices& connection_;
  ForwardState& state_;
  std::list<Listener> listeners_;
  size_t lines_ = 0;
  BrokerCaller caller_;
};

}  // namespace sluice
