// ForwardWorld: a server's connection with forwarding, its broker, and a client whose ends of channels are sockets that
// the test holds.
#pragma once

#include <gtest/gtest.h>

#include "services/forward/forwarding.h"
#include "services/forward/stream_service.h"
#include "tests/support/broker_fixture.h"
#include "tests/support/table_pair.h"
#include "tests/support/temp_folder.h"

namespace sluice::test {

// What the client's end of a channel came to.
struct ClientStream {
  bool confirmed = false;
  std::optional<OpenFailure> refused;
  bool gone = false;
};

class ForwardWorld {
 public:
  ForwardWorld();
  ~ForwardWorld();

  // Before the first use of pair().
  ServiceSettings settings;
  LoginFacts login;
  LinkPolicy policy;
  ChannelLimits limits;

  TablePair& pair();
  // The client opens a channel whose other end is `socket`.
  std::shared_ptr<ClientStream> open(std::string_view type, Bytes extra, UniqueFd socket);
  std::shared_ptr<ClientStream> open_tcp(std::string_view host, uint32_t port, UniqueFd socket);
  // A global request's answer: nothing, failure; else what success carries.
  std::optional<std::vector<uint8_t>> ask_global(std::string_view name, Bytes extra);
  // Sent, answered later: the request's number.
  uint32_t send_global(std::string_view name, Bytes extra);
  std::optional<SinkNote> answer_to(uint32_t request);
  // Turns, with control's part in them, until it holds.
  bool settle(const std::function<bool()>& holds);
  // What a shell command prints whose SSH_AUTH_SOCK is the socket of that handle.
  std::string spawn_with_agent(uint32_t handle, const std::string& command);

  struct Forwarded {
    std::string type;
    std::vector<uint8_t> extra;
    UniqueFd socket;  // what the client's end is joined to
  };
  // Channels that the server opened; they are refused while this is off.
  bool take_forwarded = true;
  std::vector<Forwarded> forwarded;

  TempFolder folder;
  StreamCounts client_counts;
  std::vector<std::string> log_lines;
  ConnectionServices* services = nullptr;

 private:
  class ClientOpener;
  void serve_notes();

  ServiceMakers makers_;
  std::unique_ptr<BrokerFixture> broker_;
  std::unique_ptr<TablePair> pair_;
  ChannelHost* client_host_ = nullptr;
  uint32_t last_request_ = 0;
  std::vector<SinkNote> answers_;
};

// Connected, non-blocking.
std::pair<UniqueFd, UniqueFd> stream_pair();
// On the loopback address, non-blocking, and its port.
std::pair<UniqueFd, uint16_t> loopback_listener();
UniqueFd accept_from(int listener);
UniqueFd connect_to(uint16_t port);
// Everything that is there; nothing where it ended.
std::optional<std::string> read_some(int socket);
// How much it took.
size_t write_some(int socket, std::string_view bytes);
std::vector<uint8_t> direct_extra(std::string_view host, uint32_t port, std::string_view origin = "127.0.0.1");

}  // namespace sluice::test
