// LinkChannels: control's side of a link's channels: orders to them, what they say, and the connections that the server
// is forwarded to.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "apps/sluice/client_run.h"
#include "services/client_session/client_channels.h"
#include "services/client_session/client_session.h"

namespace sluice {

class LinkChannels {
 public:
  // On control's thread; id and bytes as ClientNote says.
  using Told = std::function<void(ClientNote kind, uint32_t id, Bytes bytes)>;

  LinkChannels(ClientRun& run, Told told);

  // For LinkWishes, once.
  std::unique_ptr<ChannelOpener> make_opener();
  std::function<void(SinkNote&&)> note_taker();
  void set_link(SessionId link) { link_ = link; }
  SessionId link() const { return link_; }
  ClientRun& run() { return run_; }

  // Any thread; to be done on the worker.
  void order(ClientMailbox::Order order);
  uint32_t new_id() { return ++last_id_; }
  void start_session(uint32_t id, SessionSpec spec, SessionStreams streams);
  // -W and stdio-forward.
  void start_stream(uint32_t id, const StreamTarget& target, UniqueFd input, UniqueFd output);

 private:
  void take_note(SinkNote&& note);
  void connect(uint32_t ticket, Bytes where);

  ClientRun& run_;
  Told told_;
  std::shared_ptr<ClientMailbox> mailbox_ = std::make_shared<ClientMailbox>();
  std::deque<ClientMailbox::Order> held_;  // that the mailbox had no room for
  SessionId link_ = 0;
  std::atomic<uint32_t> last_id_{0};
};

}  // namespace sluice
