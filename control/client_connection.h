// A client's connection above the transport: is it the right host, who are we, then the application's channels; and
// what a server wants of us beside them.
//
// One thread, control's. Files, signatures and checks run in the work pool; one of its threads may wait for an agent's
// user, so a client's pool has two or more.
#pragma once

#include <memory>

#include "control/auth/auth_client.h"
#include "control/auth/client_keys.h"
#include "control/client/client_debug.h"
#include "control/client/client_dialog.h"
#include "control/client/host_key_news.h"
#include "control/client/host_key_policy.h"
#include "control/control_loop.h"
#include "control/global_requests.h"

namespace sluice {

struct ClientConnectionConfig {
  std::string user;
  std::string host;  // as the user named it
  std::vector<AuthMethod> order{AuthMethod::publickey, AuthMethod::keyboard_interactive, AuthMethod::password};
  // That our keys may sign with; empty: whatever is on by default.
  std::vector<std::string> signature_algorithms = {};
  KeyLimits host_key_limits = {};
  unsigned password_prompts = 3;
  unsigned passphrase_prompts = 3;
  // Whether the server lets in who asks for nothing is tried before the user is asked for a password.
  bool probe_before_asking = true;
  bool allow_ssh_rsa = false;
  ClientKeyOptions keys;
  std::string agent_path;  // SSH_AUTH_SOCK, or empty
  // From the connection to the login, without the time that the user takes to answer. 0: as long as it takes.
  int64_t login_timeout_ms = 120000;
  // From the connection to the first keys, likewise.
  int64_t connect_timeout_ms = 0;
  // keepalive@openssh.com this often, and the end when so many in a row stay without answer. 0: never.
  int64_t alive_interval_ms = 0;
  unsigned alive_count_max = 3;
};

struct LoggedIn {
  AuthMethod method;
  // The host key changed and the configuration lets it pass: forward nothing through this connection.
  bool host_unsafe;
};

struct ClientEvents {
  // Channels may be opened (ControlLoop::open_channels).
  std::function<void(const LoggedIn&)> logged_in;
  // The last call. Nothing: we ended it ourselves.
  std::function<void(const std::optional<ClientFailure>&)> ended;
  // First keys are in use, the host key was believed.
  std::function<void()> keyed = {};
  // What the channels' side in the worker says.
  std::function<void(SinkNote&&)> note = {};
  // Later keys are in use.
  std::function<void()> rekeyed = {};
};

class ClientConnection final : public Connection, HostKeyJudge {
 public:
  // Dialog and updater outlive it; the updater may be null: announcements of host keys are then ignored.
  ClientConnection(ControlLoop& loop, WorkPool& pool, ClientConnectionConfig config,
                   std::shared_ptr<const HostKeyPolicy> policy, ClientDialog& dialog, HostKeyUpdater* updater,
                   ClientEvents events);
  ~ClientConnection() override;

  // Once logged in. False: too many wait for their answers.
  bool request(std::string_view name, Bytes body, AwaitedReplies::Then then);
  void close();
  // Blob of the key that the host showed, without its certificate.
  Bytes host_key() const { return host_key_; }

 private:
  void watch_activity(std::shared_ptr<const Activity> activity) override { activity_ = std::move(activity); }
  void attach(TransportMachine& machine) override;
  HostKeyJudge* judge() override { return this; }
  void judge(Bytes host_key, std::string_view algorithm, Judged then) override;
  void on_keyed(Bytes session_id) override;
  bool on_service(std::string_view name) override;
  bool on_message(Bytes payload, uint32_t sequence) override;
  void on_ext_info(std::string_view name, Bytes value) override;
  void on_rekeyed() override {
    if (events_.rekeyed) events_.rekeyed();
  }
  void on_debug(uint32_t, std::string_view line) override { tell_client_step(line); }
  void on_disconnect(uint32_t, std::string_view) override {}
  void on_no_common_algorithm(const Disagreement& offers) override;
  void on_note(SinkNote&& note) override {
    if (events_.note) events_.note(std::move(note));
  }
  void on_ended() override;

  void judge_by(std::function<HostKeyDecision()> decide, PublicKey key, const Judged& then);
  void take_decision(const PublicKey& key, HostKeyDecision decision, const Judged& then);
  void ask_host_key(const PublicKey& key, const std::string& question, const Judged& then);
  void believe(const PublicKey& key);
  void refuse_host(FailureKind kind, std::string text, const Judged& then);
  void remember(const PublicKey& key);

  void ask_service();
  void act(Result<ClientActions> actions, uint32_t sequence = 0);
  std::string refused_certificates() const;
  bool may_offer_rsa_first() const;
  void begin_login();
  ClientFailure permission_denied() const;
  void act_on(ClientAction& action, uint32_t sequence);
  void sign(const SignWith& what, unsigned attempt, std::optional<Secret> passphrase);
  void finish_signing(const SignWith& what, unsigned attempt, SigningTry outcome);
  void ask_prompts(const PromptSet& set);
  void log_in(AuthMethod method);
  void offer_to_agent(size_t identity, SigningTry outcome);
  void show_problems();
  void watch_keys();
  void watch_login();

  void take_global_request(Bytes payload);
  void take_announcement(Bytes body);
  void ask_proofs(const std::shared_ptr<HostKeyNews>& news);
  void take_proofs(const std::shared_ptr<HostKeyNews>& news, std::optional<Bytes> answer);
  void stay_alive();

  ClientFailure failure_of_transport() const;
  void give_up(ClientFailure failure, Disconnect code);
  void run_slow(std::function<void()> work, std::function<void()> then);
  // A continuation that does nothing once the connection is over.
  template <class F>
  auto guarded(F f) {
    return [this, alive = alive_, f = std::move(f)](auto&&... arguments) {
      if (*alive && !machine_->closed()) f(std::forward<decltype(arguments)>(arguments)...);
    };
  }
  // Likewise, of a question to the user, whose first answer counts. The time that he takes is not the server's.
  template <class F>
  auto answered(F f) {
    ++questions_;
    return [this, alive = alive_, asked = ControlLoop::now_ms(), done = std::make_shared<bool>(false),
            f = guarded(std::move(f))](auto&&... arguments) {
      if (!*alive || std::exchange(*done, true)) return;
      --questions_;
      login_deadline_ += ControlLoop::now_ms() - asked;
      f(std::forward<decltype(arguments)>(arguments)...);
    };
  }

  ControlLoop& loop_;
  WorkPool& pool_;
  ClientConnectionConfig config_;
  std::shared_ptr<const HostKeyPolicy> policy_;
  ClientDialog& dialog_;
  HostKeyUpdater* updater_;
  ClientEvents events_;
  TransportMachine* machine_ = nullptr;
  std::shared_ptr<ClientKeys> keys_;
  size_t problems_shown_ = 0;
  bool keyed_ = false;
  std::optional<AuthClient> auth_;
  bool service_accepted_ = false;
  std::optional<std::vector<std::string>> server_sig_algs_;
  AwaitedReplies replies_;
  std::vector<uint8_t> host_key_;
  std::vector<uint8_t> shown_;  // what it stood in, a certificate perhaps; believed where host_key_ is
  bool host_trusted_ = false;
  bool host_unsafe_ = false;
  bool announcement_seen_ = false;
  bool logged_in_ = false;
  bool closing_ = false;
  unsigned unanswered_ = 0;
  std::shared_ptr<const Activity> activity_;
  uint64_t heard_ = 0;  // of it, at the last look
  int64_t began_ms_ = 0;
  int64_t login_deadline_ = 0;
  unsigned questions_ = 0;  // that the user has not answered
  std::optional<ClientFailure> failure_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sluice
