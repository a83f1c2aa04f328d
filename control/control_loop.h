// Control's one thread: events of the workers to connections, continuations of slow work, and other descriptors'
// readiness.
//
// A connection is a transport machine with the layer above it; this loop is the machine's surroundings towards the data
// path. Connections are added from this thread only. Where there is a porch those that a server accepts begin in it,
// and go to the least loaded worker when their channels open: strangers are no worker's load. From then on a session
// stays where it is.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "control/transport/transport_machine.h"
#include "control/work_pool.h"
#include "dataplane/porch.h"

namespace sluice {

// A connection's part above the transport, as the application makes it: it owns what the machine's references point at.
class Connection : public UpperLayer {
 public:
  // Right after its machine was made.
  virtual void attach(TransportMachine& machine) = 0;
  // Before attach(): the data that passes control by, for whoever wants to know that the peer is alive.
  virtual void watch_activity(std::shared_ptr<const Activity>) {}
  virtual HostKeySigner* host_keys() { return nullptr; }
  virtual HostKeyJudge* judge() { return nullptr; }
  // From the channels' side in the worker.
  virtual void on_note(SinkNote&&) {}
  // The session is gone from its worker; the connection is dropped after this call.
  virtual void on_ended() {}
};

class ControlLoop {
 public:
  // A port for each worker.
  ControlLoop(const std::vector<ControlPort*>& ports, WorkPool& pool);
  ControlLoop(ControlPort& port, WorkPool& pool) : ControlLoop(std::vector<ControlPort*>{&port}, pool) {}
  ~ControlLoop();
  ControlLoop(const ControlLoop&) = delete;
  ControlLoop& operator=(const ControlLoop&) = delete;

  // Before any connection is added. Turned by this thread from now on.
  void set_porch(Porch& porch);
  // `source` names the peer's address: slow work is fair between sources. Without a port the least loaded worker takes
  // the session, at once or from the porch.
  SessionId add(std::unique_ptr<Transport> transport, const TransportConfig& config, const RekeyLimits& limits,
                const std::string& source, std::unique_ptr<Connection> connection, std::optional<size_t> port = {});
  // The session that is added next.
  SessionId next_session() const { return next_session_; }
  size_t ports() const { return workers_.size(); }
  size_t sessions_on(size_t port) const { return workers_[port].sessions; }
  size_t least_loaded_port() const;
  // Starts a key exchange on the operator's word; nothing where one is under way or none was finished yet.
  void rekey(SessionId session);
  // Of all sessions, a few at a time, so that none stands still while others' keys are made.
  void rekey_all();
  // How long a peer may be silent whose step of a key exchange is next. Of the order in which TCP gives up: a rekey
  // sends something to whoever sleeps, and whoever was only stopped for a while (^Z) comes back.
  void set_exchange_patience_ms(int64_t ms) { exchange_patience_ms_ = ms; }
  size_t rekeys_waiting() const { return rekeys_waiting_.size(); }
  // Calls back, on this thread, when the descriptor is readable.
  void watch(int descriptor, std::function<void()> readable);
  void unwatch(int descriptor);
  void open_channels(SessionId session, std::unique_ptr<ConnectionSink> sink);

  void tell_sink(SessionId session, SinkNote&& note);

  // Calls back, on this thread, not before so many milliseconds have passed.
  void after(int64_t ms, std::function<void()> then);
  // Milliseconds of the clock that after() counts by.
  static int64_t now_ms();

  void run();
  // From any thread.
  void stop();
  // One step, waiting at most so long; for tests and for run().
  void step(int wait_ms);
  size_t connections() const { return connections_.size(); }
  // Forgets them without a farewell, once nothing runs any more: what they refer to may go after that.
  void drop_connections();
  TransportMachine* machine(SessionId session);
  // Null where the session is not there.
  std::shared_ptr<const Activity> activity(SessionId session) const;
  // All connections are told and closed by us; they end in the steps after this.
  void close_all(Disconnect code, std::string_view text);

 private:
  struct Entry;
  struct WorkerEnd {
    ControlPort* port;
    size_t sessions = 0;
    bool more_events = false;
  };
  void take_events(WorkerEnd& worker);
  void look_at_exchanges();
  void turn_porch();
  void move_in(Entry& entry);
  void move_waiting();
  void stay_on_porch(Entry& entry);
  void wake_workers();
  void take_event(PortEvent&& event);
  void run_timers();
  void start_waiting_rekeys();

  std::vector<WorkerEnd> workers_;
  Porch* porch_ = nullptr;
  WorkerEnd porch_end_{nullptr};
  std::vector<SessionId> moving_;
  int spare_steps_ = 0;
  int64_t exchange_patience_ms_ = 600000;
  int64_t exchanges_looked_ms_ = 0;
  WorkPool& pool_;
  SessionId next_session_ = 1;
  std::unordered_map<SessionId, std::unique_ptr<Entry>> connections_;
  std::unordered_map<int, std::function<void()>> watched_;
  struct RunningRekey {
    SessionId session;
    int64_t give_up_ms;
  };
  std::deque<SessionId> rekeys_waiting_;
  std::vector<RunningRekey> rekeys_running_;
  std::multimap<int64_t, std::function<void()>> timers_;
  int epoll_;
  int stop_wake_;
  std::atomic<bool> stopping_{false};
};

}  // namespace sluice
