// A server's connection above the transport: host key signatures and logins by the monitor, then the application's
// channels.
#pragma once

#include <deque>
#include <memory>

#include "control/auth/auth_server.h"
#include "control/control_loop.h"
#include "control/global_replies.h"
#include "control/global_requests.h"
#include "control/ledger_place.h"
#include "control/monitor_gate.h"

namespace sluice {

struct ServerConnectionConfig {
  AuthServerConfig auth;
  int64_t login_timeout_ms = 30000;  // `ssh timeout`
  // Who says nothing for so long is asked whether he is there; after so many unanswered questions he is not. 0: nobody
  // is asked, and nobody is sent away.
  int64_t alive_interval_ms = 0;
  unsigned alive_count_max = 3;
};

// Proofs are signatures: a client needs each of our keys proved once.
inline constexpr unsigned kMaxProofRequests = 16;

class ServerConnection final : public Connection, HostKeySigner, MonitorGate::Listener {
 public:
  // What the application is told.
  struct Told {
    std::function<void(const Permit&)> logged_in;
    std::function<void(ConnectionEnd, const std::optional<Closing>&)> ended = {};
    // Global requests that are not the connection's own, after the login. False: nobody knows such a request.
    std::function<bool(const GlobalRequest&, GlobalReply)> global_request = {};
    std::function<void(SinkNote&&)> note = {};
    // The first exchange of keys is done.
    std::function<void()> keyed = {};
    // The monitor's word on one try to log in.
    std::function<void(AuthMethod, VerdictKind)> judged = {};
    // A rekey is done; how long it took.
    std::function<void(uint64_t ns)> rekeyed = {};
    std::function<void(uint32_t kind, std::string_view line)> debug = {};
  };

  ServerConnection(ControlLoop& loop, MonitorGate& gate, const LoginSource& source,
                   const ServerConnectionConfig& config, LedgerPlace place, Told told);
  ~ServerConnection() override;

  // Its number with the monitor.
  uint32_t monitor_id() const { return id_; }

 private:
  void attach(TransportMachine& machine) override;
  HostKeySigner* host_keys() override { return this; }
  void on_keyed(Bytes) override {
    if (told_.keyed) told_.keyed();
  }
  bool on_service(std::string_view name) override;
  bool on_message(Bytes payload, uint32_t sequence) override;
  void on_ext_info(std::string_view, Bytes) override {}
  void on_rekeyed() override {
    if (told_.rekeyed) told_.rekeyed(machine_->exchange_ns());
  }
  void on_debug(uint32_t kind, std::string_view line) override {
    if (told_.debug) told_.debug(kind, line);
  }
  void on_disconnect(uint32_t, std::string_view) override {}
  void on_ended() override;
  void on_note(SinkNote&& note) override;

  NameList algorithms() const override;
  std::vector<uint8_t> public_blob(std::string_view algorithm) const override;
  void sign(std::string_view kex, std::string_view algorithm, Bytes exchange_hash, Signed then) override;

  void on_signed(std::vector<uint8_t> signature) override;
  void on_proved(const std::vector<std::vector<uint8_t>>& signatures) override;
  void on_judged(AuthVerdict verdict) override;
  void on_condemned(std::string_view reason) override;

  ConnectionEnd how_it_ended() const;
  void act(Result<AuthActions> actions, uint32_t sequence);
  void enter(const Permit& permit);
  void send_not_before(Instant when, std::vector<uint8_t> message);
  void send_now(std::vector<uint8_t> message);
  void take_global_request(Bytes payload);
  void prove_host_keys(Bytes data, uint64_t place);
  void ask_whether_alive();
  // A continuation that does nothing once the connection is gone.
  std::function<void()> guarded(std::function<void()> then) const;

  ControlLoop& loop_;
  MonitorGate& gate_;
  MonitorGate::HostKeyList keys_;
  ServerConnectionConfig config_;
  LedgerPlace place_;
  Told told_;
  AuthServer auth_;
  TransportMachine* machine_ = nullptr;
  uint32_t id_;
  uint32_t asked_ = 0;
  AuthMethod asked_method_ = AuthMethod::none;
  bool login_done_ = false;
  bool timed_out_ = false;
  std::deque<Signed> signing_;
  GlobalReplies replies_;
  struct Proof {
    uint64_t place;
    size_t keys;
  };
  std::optional<Proof> proof_;  // that the monitor is making
  unsigned proof_requests_ = 0;
  bool heard_ = false;  // anything of control's, since it was last looked at
  unsigned unanswered_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sluice
