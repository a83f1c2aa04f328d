// MonitorClient: the network process' half of the monitor protocol. Requests get ids, replies become events. No I/O.
//
// One owner, one thread. A reply that was not asked for, or is not exactly what its type says, is an error: without the
// monitor there is no server.
#pragma once

#include <unordered_map>
#include <variant>

#include "control/monitor/monitor_protocol.h"

namespace sluice {

using HostKeysListed = PublicFacts;
struct Signed {
  uint32_t connection, request;
  std::vector<uint8_t> signature;
};
struct Proved {
  uint32_t connection, request;
  std::vector<std::vector<uint8_t>> signatures;  // in the order asked; an empty one could not be made
};
struct Judged {
  uint32_t connection, request;
  AuthVerdict verdict;
};
struct BrokerAnswered {
  uint32_t connection, request;
  BrokerReply reply;
  UniqueFd link;  // with reply.started
};
// The monitor serves the connection no more: end it.
struct Condemned {
  uint32_t connection;
  std::string reason;
};
using MonitorEvent = std::variant<HostKeysListed, Signed, Proved, Judged, BrokerAnswered, Condemned>;

// Connections with requests out; more would be our own mistake.
inline constexpr size_t kMaxOutstanding = 1 << 20;

class MonitorClient {
 public:
  void list_host_keys();
  // A new number, never used before.
  uint32_t open(const LoginSource& source);
  void close(uint32_t connection);
  // Each returns the request's number, which its event bears.
  uint32_t sign(uint32_t connection, const SignRequest& request);
  // Of keys that were listed; what a client names besides is for the caller to leave out.
  uint32_t prove(uint32_t connection, const std::vector<ProofKey>& keys);
  uint32_t ask(uint32_t connection, const AuthQuestion& question);
  uint32_t start_broker(uint32_t connection);

  PacketQueue& output() { return output_; }
  // Events of connections that were closed in the meantime are left out.
  // descriptor: what came with the packet.
  Result<std::vector<MonitorEvent>> take_packet(Bytes packet, UniqueFd descriptor = {});

 private:
  struct Connection {
    uint32_t last_request = 0;
    std::vector<std::pair<uint32_t, MonitorType>> out;  // request, the reply that it wants
  };

  uint32_t request(uint32_t connection, MonitorType type, MonitorType reply, Bytes body);
  Result<void> take_frame(const MonitorFrame& frame, UniqueFd& descriptor, std::vector<MonitorEvent>& events);

  PacketQueue output_;
  uint32_t last_opened_ = 0;
  unsigned lists_out_ = 0;
  std::unordered_map<uint32_t, Connection> connections_;
};

}  // namespace sluice
