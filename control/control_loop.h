// Control's one thread: events of a worker to connections, continuations of slow work, and other descriptors'
// readiness.
//
// A connection is a transport machine with the layer above it; this loop is the machine's surroundings towards the data
// path. Connections are added from this thread only.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>

#include "control/transport/transport_machine.h"
#include "control/work_pool.h"
#include "dataplane/control_port.h"

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
  // The session is gone from its worker; the connection is dropped after this call.
  virtual void on_ended() {}
};

class ControlLoop {
 public:
  ControlLoop(ControlPort& port, WorkPool& pool);
  ~ControlLoop();
  ControlLoop(const ControlLoop&) = delete;
  ControlLoop& operator=(const ControlLoop&) = delete;

  // `source` names the peer's address: slow work is fair between sources.
  SessionId add(std::unique_ptr<Transport> transport, const TransportConfig& config, const RekeyLimits& limits,
                const std::string& source, std::unique_ptr<Connection> connection);
  // Calls back, on this thread, when the descriptor is readable.
  void watch(int descriptor, std::function<void()> readable);
  void unwatch(int descriptor);
  void open_channels(SessionId session, std::unique_ptr<ConnectionSink> sink) {
    port_.open_channels(session, std::move(sink));
  }

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
  TransportMachine* machine(SessionId session);

 private:
  struct Entry;
  void take_event(PortEvent&& event);
  void run_timers();

  ControlPort& port_;
  WorkPool& pool_;
  SessionId next_session_ = 1;
  std::unordered_map<SessionId, std::unique_ptr<Entry>> connections_;
  std::unordered_map<int, std::function<void()>> watched_;
  std::multimap<int64_t, std::function<void()>> timers_;
  bool more_events_ = false;
  int epoll_;
  int stop_wake_;
  std::atomic<bool> stopping_{false};
};

}  // namespace sluice
