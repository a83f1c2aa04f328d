// One poll loop on one core: the sessions of a worker, their turns in step, and sleep when there is nothing to do.
//
// A turn: commands -> every active session receives and stages -> submit, poll -> every one delivers and stages what it
// sends -> submit, poll -> every one commits and flushes. So records of all sessions share each batch.
// Active is a session that moved in the last moments, that was made ready, or whose records are with a device; the
// others cost nothing until their descriptor, a watched one, a command or their age wakes them. One that is a stream
// (stream_pace.h) is looked at after a nap instead.
#pragma once

#include <atomic>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/counter.h"
#include "dataplane/poller.h"
#include "dataplane/porch.h"
#include "dataplane/session.h"
#include "dataplane/spin_pace.h"
#include "dataplane/stream_pace.h"

namespace sluice {

// Written by the worker, read by anybody.
struct WorkerCounters {
  Counter turns;
  Counter busy;    // turns in which something moved
  Counter spins;   // looks for descriptors in place of a sleep
  Counter sleeps;  // waits for descriptors
  Counter records, batches;
};

class Worker final : public WatchList, public Porch {
 public:
  // No other worker may use the same drivers: what one submitted another would poll.
  explicit Worker(const DriverSet& drivers, const RecordPoolSize& records = {});
  ~Worker() override;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  ControlPort& port() override { return port_; }
  // Before run(): turned with the sessions, whose transports may be its. It outlives the sessions.
  void attach(Poller& poller);
  // Until stop(), which any thread may call.
  void run();
  void stop();

  // One turn; true when anything moved. For tests and for run().
  bool turn();
  size_t sessions() const { return sessions_.size(); }
  const WorkerCounters& counters() const { return counters_; }
  const Dispatch& dispatch() const { return dispatch_; }

  // As a porch, in place of run().
  int descriptor() const override { return epoll_; }
  void look_now() override;
  bool step() override;
  int wait_ms() const override;
  ResultOrText<std::unique_ptr<MovingSession>> release(SessionId session, const DriverSet& drivers) override;

  // By the sessions' services, on the worker's thread.
  bool watch(int descriptor, SessionId session, Watcher& watcher) override;
  void unwatch(int descriptor) override;

 private:
  struct Member final : TransportWaker {
    void wake() override;
    Worker* worker = nullptr;
    std::unique_ptr<Session> session;
    uint64_t received_ns = 0;  // when it was last looked at for bytes
    uint32_t watched = 0;      // epoll's event bits
    bool active = false;
    bool told = false;      // its transport has no descriptor, and wakes it
    bool readable = false;  // there may be bytes to receive, or the end
    StreamPace pace;
    SpinPace spin;
    bool lean = false;  // gave its memory back since it was last active
  };
  struct Watch {
    Watcher* watcher = nullptr;
    SessionId session = 0;
    uint32_t generation = 0;
  };

  bool take_commands();
  // True: something was finished.
  bool poll();
  void adopt(PortCommand&& command);
  static bool is_blind(const Member& member);
  // Looks for bytes in this turn without having been told of any.
  bool polls(const Member& member) const;
  void activate(Member& member);
  void activate(SessionId session);
  bool is_worth_a_spin(const Member& member, uint64_t now_ns) const;
  // Those that did not move for a while leave the turn.
  void rest(uint64_t now_ns);
  void revive_stalled();
  // A session that rests: naps if it is a stream.
  void set_pace(Member& member, uint64_t now_ns);
  void end_naps(uint64_t now_ns);
  uint64_t longest_wait_ns() const;
  void begin_next_turn_with(size_t first);
  bool drop_if_over(Member& member, uint64_t now_ns);
  void wake_due(uint64_t now_ns);
  // Looks for ready descriptors, waiting at most so long.
  void look(uint64_t wait_ns);
  void watch_transport(Member& member);
  void sleep();
  // Nothing makes a descriptor ready for what it waits for.
  static bool is_stalled(const Member& member);

  Dispatch dispatch_;
  Poller* poller_ = nullptr;
  WorkerCounters counters_;
  ControlPort port_;
  RecordPool pool_;
  std::unordered_map<SessionId, Member> sessions_;
  std::vector<Member*> active_;
  std::vector<SessionId> stalled_;  // not active, but waiting for something that makes no descriptor ready
  std::vector<SessionId> napping_;  // all looked at again at the same time
  bool turned_by_others_ = false;   // who would have to end the naps, and to spin
  uint64_t nap_over_ns_ = 0;
  std::unordered_map<int, uint32_t> watch_of_;
  std::vector<Watch> watches_;
  std::vector<uint32_t> free_watches_;
  uint64_t looked_ns_ = 0;
  uint64_t spin_until_ns_ = 0;
  SessionId last_mover_ = 0;
  uint64_t others_moved_ns_ = 0;  // when it last was another one
  uint64_t turned_ns_ = 0;
  uint64_t swept_ns_ = 0;
  int epoll_;
  std::atomic<bool> stopping_{false};
};

}  // namespace sluice
