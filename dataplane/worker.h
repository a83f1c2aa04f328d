// One poll loop on one core: the sessions of a worker, their turns in step, and sleep when there is nothing to do.
//
// A turn: commands -> every session receives and stages -> submit, poll -> every session delivers and stages what it
// sends -> submit, poll -> every session commits and flushes. So records of all sessions share each batch.
#pragma once

#include <atomic>
#include <memory>
#include <unordered_map>
#include <vector>

#include "dataplane/session.h"

namespace sluice {

class Worker {
 public:
  explicit Worker(const DriverSet& drivers);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  ControlPort& port() { return port_; }
  // Until stop(), which any thread may call.
  void run();
  void stop();

  // One turn; true when anything moved. For tests and for run().
  bool turn();
  size_t sessions() const { return sessions_.size(); }

 private:
  struct Watched {
    std::unique_ptr<Session> session;
    uint32_t watched = 0;  // epoll's event bits
  };

  bool take_commands();
  void adopt(PortCommand&& command);
  void drop_finished(uint64_t now_ns);
  void wait();
  void watch(Watched& watched);

  Dispatch dispatch_;
  ControlPort port_;
  RecordPool pool_;
  std::unordered_map<SessionId, Watched> sessions_;
  int epoll_;
  std::atomic<bool> stopping_{false};
};

}  // namespace sluice
