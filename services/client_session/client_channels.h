// ClientChannels: a client's side of RFC 4254: its sessions, what it forwards, and which opens of the server it takes.
//
// On the connection's worker. Control's thread gives orders through a mailbox; answers are SinkNotes. The server may
// open only what was asked of it: forwarded ports and sockets by the name that was asked for, agents where the agent
// is forwarded.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/ring.h"
#include "base/unique_fd.h"
#include "dataplane/channel.h"
#include "services/client_session/client_notes.h"
#include "services/forward/stream_service.h"

namespace sluice {

class ClientChannels;
class ClientListener;
class ClientSession;
struct X11Display;

// From control's thread to the worker.
class ClientMailbox {
 public:
  using Order = std::function<void(ClientChannels&)>;
  // False: full. Then a note of kind `look` is due.
  bool put(Order order) { return ring_.push(std::move(order)); }
  std::optional<Order> take() { return ring_.pop(); }

 private:
  Ring<Order, 256> ring_;
};

// Where a forwarded connection goes: a path, a host's port, or what SOCKS says.
struct StreamTarget {
  enum class Kind : uint8_t { tcp, path, socks };
  Kind kind = Kind::tcp;
  std::string name;  // host or path
  uint16_t port = 0;
};

// What the server may send us, as it was asked for.
struct RemoteRule {
  bool is_path = false;
  std::string listen;  // address or path
  uint32_t port = 0;
  StreamTarget target;
  std::vector<std::string> permitted = {};  // of socks: "host:port" patterns; empty: all
};

class ClientChannels final : public ChannelOpener {
 public:
  explicit ClientChannels(std::shared_ptr<ClientMailbox> mailbox);
  ~ClientChannels() override;

  void attach(ChannelHost& host) override;
  OpenDecision open(std::string_view type, Bytes extra) override;
  void on_note(SinkNote&& note) override;
  void on_turn() override;

  // --- Orders
  // False: too many channels.
  bool start(std::string_view type, Bytes extra, std::unique_ptr<Service> service);
  void listen(uint32_t id, UniqueFd descriptor, StreamTarget target);
  void unlisten(uint32_t id);
  void add_remote(RemoteRule rule) { remote_.push_back(std::move(rule)); }
  void remove_remote(bool is_path, std::string_view listen, uint32_t port);
  void forward_x11(X11Display display);
  void forward_agent(std::string path) { agent_path_ = std::move(path); }
  // The answer to `connect`: a stream, or none.
  void take_connection(uint32_t ticket, UniqueFd descriptor);
  ClientSession* session(uint32_t id);
  // Whatever is still to be said.
  void close_session(uint32_t id);
  // Lines about every open channel, for ~#.
  std::string list() const;

  // --- For services
  ChannelHost& host() { return *host_; }
  StreamCounts& counts() { return counts_; }
  void tell(ClientNote kind, uint32_t id, std::vector<uint8_t> bytes = {});
  void say(std::string text);
  // Null when the session is gone.
  void know(uint32_t id, ClientSession* session);
  // How a stream with an id is closed; nothing when it is gone.
  void know_stream(uint32_t id, std::function<void()> close);
  // A service is gone: whether anything is left is looked at soon.
  void gone();
  void name(const void* service, std::string text);
  void forget(const void* service);
  // Asks control for a connection; `then` is called once, unless `who` is forgotten before.
  void connect(const void* who, const StreamTarget& target, std::function<void(UniqueFd)> then);

 private:
  struct Waiting {
    const void* who;
    std::function<void(UniqueFd)> then;
  };
  OpenDecision take_x11();
  OpenDecision take_forwarded(bool is_path, Bytes extra);
  void take_orders();

  std::shared_ptr<ClientMailbox> mailbox_;
  ChannelHost* host_ = nullptr;
  StreamCounts counts_;
  std::map<uint32_t, std::unique_ptr<ClientListener>> listeners_;
  std::vector<RemoteRule> remote_;
  std::string agent_path_;
  std::unique_ptr<X11Display> x11_;
  std::map<uint32_t, ClientSession*> sessions_;
  std::map<uint32_t, std::function<void()>> streams_;
  std::map<const void*, std::string> names_;
  std::map<uint32_t, Waiting> waiting_;
  uint32_t last_ticket_ = 0;
  bool had_session_ = false;
  bool idle_told_ = false;
};

// CHANNEL_OPEN's fields for a stream to `target` on behalf of whoever is at `from`.
std::vector<uint8_t> direct_open_fields(const StreamTarget& target, std::string_view from, uint32_t from_port);
std::string_view direct_open_type(const StreamTarget& target);

}  // namespace sluice
