// ClientRun: a client program's machinery: one worker or more, control's thread, the pool, the user's dialog; and
// connections to one host, made with a single call.
//
// The caller's thread is none of these: it may wait. Functions that an event names run on control's thread, a
// ChannelOpener and its services on the connection's worker.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "apps/sluice/port_dialer.h"
#include "apps/sluice/terminal_dialog.h"
#include "base/unique_fd.h"
#include "control/client/config/client_options.h"
#include "control/client/known_hosts_updater.h"
#include "control/engine_work.h"
#include "dataplane/channel_table.h"
#include "dataplane/worker.h"

namespace sluice {

// What a link's end is: nothing where we ended it ourselves.
using LinkEnd = std::optional<ClientFailure>;

struct LinkWishes {
  // What runs in the connection once it is logged in.
  std::unique_ptr<ChannelOpener> opener;
  ChannelLimits channels = {};
  // On control's thread.
  std::function<void(SinkNote&&)> note = {};  // from the opener (ChannelHost::tell_control)
  std::function<void(const LoggedIn&)> logged_in = {};
  std::function<void(const LinkEnd&)> ended = {};
  // Of a logged-in link the second and later: answer what was answered before, and ask nobody.
  bool ask = true;
  // Somebody sits at it, which is another DSCP than that of bulk.
  bool interactive = false;
  // Instead of a socket that is dialed: a connected stream.
  UniqueFd stream = {};
};

// Of a connection whose channel moves files: what a long path holds is there from the beginning. The server is ours to
// choose, and what it sends is what was asked for.
inline constexpr uint32_t kFileWindow = uint32_t{32} << 20;

class ClientRun {
 public:
  explicit ClientRun(ClientOptions options, size_t workers = 1);
  ~ClientRun();
  ClientRun(const ClientRun&) = delete;
  ClientRun& operator=(const ClientRun&) = delete;

  // Dials, or starts the proxy, and logs in; waits until that is done or has failed. The link's id.
  tl::expected<SessionId, ClientFailure> connect(LinkWishes wishes);
  // Before the first connect(): TerminalDialog::Manner::around.
  void set_around_questions(std::function<void(bool asking)> around) { around_questions_ = std::move(around); }
  // Any thread: to the link's opener (on_note), in order.
  void tell(SessionId link, SinkNote&& note);
  // Any thread: says goodbye. Channels that are open are cut.
  void close(SessionId link);
  // Waits for the end of a link that connect() gave.
  LinkEnd wait_ended(SessionId link);
  // Why a link ended whose channel is gone already; empty: it lives, or ended by us. Complete for a message. The
  // channel's end may be known a moment before the link's.
  std::string why_ended(SessionId link);
  // Any thread: runs it on control's thread soon.
  void post(std::function<void()> what);
  // On control's thread.
  ControlLoop& loop() { return *loop_; }
  // A logged-in link's connection, for global requests; null: gone. On control's thread.
  ClientConnection* connection(SessionId link);

  const ClientOptions& options() const { return options_; }
  WorkPool& pool() { return *pool_; }
  // Shared by the links' channels: what their windows may sum up to.
  WindowBudget& windows() { return windows_; }
  // What the server of a link that logged in called itself.
  std::string peer_software(SessionId link);
  // "aes128-gcm@openssh.com (ipsec_mb)", of a link in use. On control's thread.
  std::string describe(SessionId link);

 private:
  struct Link;

  ResultOrText<void> start();
  // A socket, a program's pipe, or a connection of our port: what a link is made of.
  struct Way {
    UniqueFd stream = {};
    std::unique_ptr<Transport> transport = {};
    std::string address = "UNKNOWN";
  };
  tl::expected<Way, ClientFailure> reach(UniqueFd stream);
  tl::expected<SessionId, ClientFailure> try_to_connect(const std::shared_ptr<Link>& link);
  void add(const std::shared_ptr<Link>& link, Way way);
  void note_keys(const std::shared_ptr<Link>& link);
  void log_in(const std::shared_ptr<Link>& link, const LoggedIn& in);
  void end(const std::shared_ptr<Link>& link, const LinkEnd& failure);
  void take_posts();
  void shut_down();

  const ClientOptions options_;
  const size_t worker_count_;
  std::function<void(bool)> around_questions_;
  std::shared_ptr<const HostKeyPolicy> policy_;
  TransportConfig transport_;
  WindowBudget windows_{uint64_t{1} << 30};
  std::vector<std::unique_ptr<DriverSet>> drivers_;
  std::unique_ptr<KeyEngine> engine_;
  std::unique_ptr<WorkPool> pool_;
  std::unique_ptr<PortDialer> port_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<ControlLoop> loop_;
  std::unique_ptr<TerminalDialog> dialog_;
  std::unique_ptr<KnownHostsUpdater> updater_;
  std::vector<std::thread> threads_;

  UniqueFd posted_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> posts_;
  std::map<SessionId, std::shared_ptr<Link>> links_;
  size_t connects_ = 0;
};

// "ssh: connect to host x port 22: Connection refused", and what to do where that is known. Complete lines.
std::string explain(const ClientFailure& failure, const ClientOptions& options);

}  // namespace sluice
