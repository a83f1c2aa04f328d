// ForwardState: what one connection's forwarding shares: counts, and the connections that are being made.
#pragma once

#include <deque>
#include <functional>
#include <map>

#include "services/connection/connection_services.h"
#include "services/forward/stream_service.h"

namespace sluice {

// Connections that are being made at one time. Each keeps one of the link's requests for as long as nobody answers, and
// files and programs need theirs.
inline constexpr size_t kMaxConnecting = 32;

class ForwardState final : public ConnectionPart {
 public:
  static constexpr std::string_view kName = "forward.state";
  using Then = std::function<void(BrokerReceived&&)>;

  explicit ForwardState(ConnectionServices& connection) : broker_(connection.broker()), caller_(broker_) {}

  // Of connections that the client opened, and of those that came to a listener.
  StreamCounts& direct() { return direct_; }
  StreamCounts& accepted() { return accepted_; }
  // ConnectTcp or ConnectUnix, at once or when others are done. `then` is called later, once, unless it is forgotten.
  uint64_t connect(BrokerRequest request, Then then);
  void forget(uint64_t ticket);
  size_t connecting() const { return asked_; }
  // Opens cost a client next to nothing: not each of any number has a line in the log.
  bool may_log() { return logged_ < kMostLogged && ++logged_ > 0; }

 private:
  struct Waiting {
    uint64_t ticket;
    BrokerRequest request;
  };
  void ask_waiting();
  static constexpr size_t kMostLogged = 256;

  BrokerSession& broker_;
  StreamCounts direct_, accepted_;
  uint64_t last_ticket_ = 0;
  size_t asked_ = 0;
  size_t logged_ = 0;
  std::deque<Waiting> waiting_;
  std::map<uint64_t, Then> thens_;
  // Of the connection and not of each channel: a channel's end does not end what its broker is still trying.
  BrokerCaller caller_;
};

}  // namespace sluice
