// Monitor: the privileged side. Holds host keys, signs exchange hashes, decides who somebody is. Packets in, packets
// out.
//
// Of each connection it knows: the session id (the first hash it signed), the login's state, and whether it is
// condemned. What it signs is an exchange hash of the length that the named method has, or a host key proof that it
// builds itself; what it verifies is data that it builds itself. A frame that no honest network process sends condemns
// its connection: logged, told, and nothing of it is served again.
#pragma once

#include <memory>
#include <unordered_map>

#include "control/monitor/host_keys.h"
#include "control/monitor/login_state.h"
#include "control/work_pool.h"

namespace sluice {

// Rekeys before a login: an honest client has no reason for one, and each is a signature.
inline constexpr unsigned kMaxSignsBeforeLogin = 16;
// Requests of one connection whose answers are still being worked on.
inline constexpr unsigned kMaxOpenRequests = 4;
// Lines of the log a second about what no honest network process does; the rest is counted.
inline constexpr unsigned kMaxComplaints = 20;
// Links to its broker that one connection gets in its life: a second one replaces a first that broke.
inline constexpr unsigned kMaxBrokerLinks = 16;

// The network process' end of a link, or why there is none. Called once, on the monitor's thread.
using BrokerDone = std::function<void(ResultOrText<UniqueFd>)>;

struct MonitorConfig {
  LoginRules login;
  KeyLimits user_keys;
  // Algorithms that user signatures may have; empty: those on by default.
  std::vector<std::string> user_algorithms;
  // More than the network process may open; it has its own, lower, limits.
  size_t max_connections = 65536;
  // Beyond the network process' own timer, which ends an honest connection earlier.
  Instant login_timeout{150000};
  // Gets a link to the broker of whoever is authenticated. Absent: refused.
  std::function<void(uint32_t connection, const LoginSource&, const Permit&, BrokerDone)> start_broker;
  // Told of each name whose password, typed or asked for, was wrong. On the monitor's thread.
  std::function<void(const std::string& user, const LoginSource&)> login_failed = {};
};

class Monitor {
 public:
  // quick verifies and signs; slow hashes passwords and talks to PAM. Both outlive the monitor.
  Monitor(MonitorConfig config, HostKeys keys, std::shared_ptr<LoginBackend> backend, JobRunner& quick, JobRunner& slow,
          std::shared_ptr<Completions> completions);
  ~Monitor();

  // For connections that are opened from now on. Those that are there keep what they began with, host keys included: a
  // key that was taken away goes from memory with the last of them.
  void set_rules(MonitorConfig config, HostKeys keys, std::shared_ptr<LoginBackend> backend);

  // False: the packet is no sequence of frames, or opens connections out of order; the link is to be given up.
  bool take_packet(Bytes packet, Instant now);
  PacketQueue& output() { return output_; }
  // Jobs whose answers have not come.
  size_t open_jobs() const { return open_jobs_; }

  size_t connections() const { return connections_.size(); }
  uint64_t condemned() const { return condemned_; }
  // Null unless the connection is there and authenticated.
  const Permit* permit_of(uint32_t connection) const;

 private:
  struct Connection;
  struct KeyJudgement;
  struct Reply {
    uint32_t connection;
    uint32_t request;
  };
  struct Rules {
    MonitorConfig config;
    HostKeys keys;
    std::shared_ptr<LoginBackend> backend;
  };

  bool take_frame(const MonitorFrame& frame, Instant now);
  bool open(const MonitorFrame& frame, Instant now);
  void serve(Connection& connection, const MonitorFrame& frame, Instant now);
  void sign(Connection& connection, const MonitorFrame& frame);
  void prove(Connection& connection, const MonitorFrame& frame);
  void question(Connection& connection, const MonitorFrame& frame, Instant now);
  void judge(Connection& connection, std::shared_ptr<AuthQuestion> question, uint32_t request);
  void judge_key(Connection& connection, std::shared_ptr<AuthQuestion> question, uint32_t request);
  void judge_secret(Connection& connection, std::shared_ptr<AuthQuestion> question, LoginSink done);
  void settle(Reply reply, const AuthQuestion& question, LoginAnswer answer);
  void send_verdict(Connection& connection, uint32_t request, AuthVerdict verdict);
  void broker(Connection& connection, const MonitorFrame& frame);
  static WorkOrigin origin_of(const Connection& connection);
  void run(Connection& connection, JobRunner& runner, Job job);
  // It may pause while an engine's device computes.
  void run_pausable(Connection& connection, JobRunner& runner, Job job);
  void count_job(Connection& connection, bool taken);
  void condemn(Connection& connection, std::string_view why);
  // Of what no honest network process does some lines a second are enough.
  void complain(const std::string& text);
  Connection* find(uint32_t id);

  std::shared_ptr<const Rules> rules_;
  JobRunner& quick_;
  JobRunner& slow_;
  std::shared_ptr<Completions> completions_;
  // Completions that come when the monitor is gone find this empty.
  std::shared_ptr<Monitor*> self_;
  PacketQueue output_;
  std::unordered_map<uint32_t, std::unique_ptr<Connection>> connections_;
  uint32_t last_opened_ = 0;
  uint64_t condemned_ = 0;
  Instant now_{0};  // of the last packet
  Instant complaints_since_{0};
  unsigned complaints_ = 0;
  size_t open_jobs_ = 0;
};

}  // namespace sluice
