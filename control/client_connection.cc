// From host key to login, and the end.
#include "control/client_connection.h"

#include <algorithm>
#include <ctime>

#include "base/message_numbers.h"
#include "base/wire.h"

namespace sluice {
namespace {

constexpr std::string_view kUserauthService = "ssh-userauth";
// How often a login's time is looked at while the user thinks.
constexpr int64_t kQuestionStepMs = 250;

// What the peer is told.
std::string_view farewell(FailureKind kind) {
  switch (kind) {
    case FailureKind::permission_denied: return "No more authentication methods to try";
    case FailureKind::login_timeout: return "Login timeout";
    case FailureKind::server_silent: return "No answer to keepalives";
    default: return "Closed by the client";
  }
}

}  // namespace

ClientConnection::ClientConnection(ControlLoop& loop, WorkPool& pool, ClientConnectionConfig config,
                                   std::shared_ptr<const HostKeyPolicy> policy, ClientDialog& dialog,
                                   HostKeyUpdater* updater, ClientEvents events)
    : loop_(loop),
      pool_(pool),
      config_(std::move(config)),
      policy_(std::move(policy)),
      dialog_(dialog),
      updater_(updater),
      events_(std::move(events)) {}

ClientConnection::~ClientConnection() { *alive_ = false; }

void ClientConnection::run_slow(std::function<void()> work, std::function<void()> then) {
  if (!pool_.run({.source = config_.host, .logged_in = logged_in_}, std::move(work), guarded(std::move(then)))) {
    give_up({FailureKind::overloaded, "Too much work waits here"}, Disconnect::by_application);
  }
}

void ClientConnection::attach(TransportMachine& machine) {
  machine_ = &machine;
  began_ms_ = ControlLoop::now_ms();
  if (config_.connect_timeout_ms > 0) watch_keys();
  if (config_.login_timeout_ms > 0) {
    login_deadline_ = ControlLoop::now_ms() + config_.login_timeout_ms;
    watch_login();
  }
  // Beside the key exchange, which does not need them.
  auto loaded = std::make_shared<std::optional<ClientKeys>>();
  run_slow([loaded, options = config_.keys,
            agent = config_.agent_path] { loaded->emplace(ClientKeys::load(options, agent)); },
           [this, loaded] {
             keys_ = std::make_shared<ClientKeys>(std::move(**loaded));
             if (keyed_) ask_service();
           });
}

// A question about the host key is the user's time.
void ClientConnection::watch_keys() {
  if (keyed_ || closing_ || failure_) return;
  const int64_t left = began_ms_ + config_.connect_timeout_ms - ControlLoop::now_ms();
  if (questions_ == 0 && left <= 0) {
    return give_up({FailureKind::connect_timeout, "Connection timed out during " +
                                                      std::string(machine_->identified() ? "key" : "banner") +
                                                      " exchange with " + config_.host},
                   Disconnect::by_application);
  }
  loop_.after(std::max(left, kQuestionStepMs), guarded([this] { watch_keys(); }));
}

void ClientConnection::watch_login() {
  if (logged_in_ || closing_ || failure_) return;
  const int64_t now = ControlLoop::now_ms();
  if (questions_ == 0 && now >= login_deadline_) {
    return give_up({FailureKind::login_timeout, "Timeout: " + config_.host + " did not let us in in time"},
                   Disconnect::by_application);
  }
  const int64_t wait = questions_ > 0 ? kQuestionStepMs : login_deadline_ - now;
  loop_.after(wait, guarded([this] { watch_login(); }));
}

// --- The host

void ClientConnection::judge(Bytes host_key, std::string_view, Judged then) {
  // A rekey shows what was believed at the beginning.
  if (!host_key_.empty() && std::equal(host_key.begin(), host_key.end(), shown_.begin(), shown_.end())) {
    return then(true);
  }
  const bool first = host_key_.empty();
  if (first) shown_.assign(host_key.begin(), host_key.end());
  if (is_certificate(host_key)) {
    auto certificate = Certificate::parse(host_key, config_.host_key_limits);
    if (!certificate) return then(fail(std::string(describe(certificate.error()))));
    PublicKey key = certificate->key;
    return judge_by([policy = policy_, certificate = std::move(*certificate)] { return policy->decide(certificate); },
                    std::move(key), then);
  }
  auto key = PublicKey::parse(host_key, config_.host_key_limits);
  if (!key) return then(fail(std::string(describe(key.error()))));
  judge_by([policy = policy_, key = *key] { return policy->decide(key); }, *key, then);
}

void ClientConnection::judge_by(std::function<HostKeyDecision()> decide, PublicKey key, const Judged& then) {
  auto decision = std::make_shared<HostKeyDecision>();
  run_slow([decide = std::move(decide), decision] { *decision = decide(); },
           [this, key = std::move(key), decision, then] { take_decision(key, std::move(*decision), then); });
}

void ClientConnection::take_decision(const PublicKey& key, HostKeyDecision decision, const Judged& then) {
  const bool first = host_key_.empty();
  if (decision.kind == HostKeyDecision::Kind::refuse) {
    return refuse_host(decision.failure, std::move(decision.text), then);
  }
  // In the middle of a connection nobody is asked and nothing is learnt: the key is known, or it is not the host.
  if (!first && (decision.kind != HostKeyDecision::Kind::accept || decision.remember || decision.unsafe)) {
    return refuse_host(FailureKind::host_key_changed, "The host showed an unknown key when keys were renewed.\n", then);
  }
  if (decision.kind == HostKeyDecision::Kind::ask) return ask_host_key(key, decision.text, then);
  // Said once, not at each rekey.
  if (first && !decision.text.empty()) dialog_.show(decision.text);
  if (decision.remember) remember(key);
  if (first) {
    host_trusted_ = decision.trusted;
    host_unsafe_ = decision.unsafe;
  }
  believe(key);
  then(true);
}

void ClientConnection::believe(const PublicKey& key) { host_key_.assign(key.blob().begin(), key.blob().end()); }

void ClientConnection::ask_host_key(const PublicKey& key, const std::string& question, const Judged& then) {
  auto take = [this, key, then](std::optional<std::string> typed) {
    switch (typed ? HostKeyPolicy::read_word(*typed, key) : HostKeyWord::no) {
      case HostKeyWord::again: return ask_host_key(key, "Please type 'yes', 'no' or the fingerprint: ", then);
      case HostKeyWord::no: return refuse_host(FailureKind::host_key_declined, "Host key verification failed.\n", then);
      case HostKeyWord::yes: break;
    }
    host_trusted_ = true;
    believe(key);
    remember(key);
    then(true);
  };
  dialog_.ask_words(question, answered(std::move(take)));
}

void ClientConnection::refuse_host(FailureKind kind, std::string text, const Judged& then) {
  failure_ = ClientFailure{kind, std::move(text)};
  // The peer is not told what we know.
  then(false);
}

void ClientConnection::remember(const PublicKey& key) {
  auto notice = std::make_shared<std::string>();
  run_slow(
      [policy = policy_, key, notice] {
        auto done = policy->remember(key);
        *notice = done ? std::move(*done) : "Failed to add the host to the list of known hosts: " + done.error() + "\n";
      },
      [this, notice] {
        if (!notice->empty()) dialog_.show(*notice);
      });
}

// --- The login

void ClientConnection::on_keyed(Bytes) {
  keyed_ = true;
  if (events_.keyed) events_.keyed();
  if (keys_) ask_service();
}

void ClientConnection::ask_service() {
  show_problems();
  machine_->request_service(kUserauthService);
  // RFC 4253 section 10: its acceptance need not be waited for. What an RSA key signs with the server is about to say.
  if (!auth_ && !may_offer_rsa_first()) begin_login();
}

bool ClientConnection::may_offer_rsa_first() const {
  if (server_sig_algs_) return false;
  for (const ClientIdentity& identity : keys_->identities()) {
    if (identity.key.type() == KeyType::rsa) return true;
    // One of these is passed over where the user does not want its algorithm.
    if (identity.key.type() != KeyType::dsa && config_.signature_algorithms.empty()) return false;
  }
  return false;
}

// Behind the server's NEWKEYS, before its SERVICE_ACCEPT.
void ClientConnection::on_ext_info(std::string_view name, Bytes value) {
  if (name != "server-sig-algs") return;
  auto names = parse_names(text_of(value));
  if (!names) return;
  if (auth_) return auth_->learn_sig_algs(std::move(*names));
  server_sig_algs_ = std::move(*names);
}

bool ClientConnection::on_service(std::string_view name) {
  if (name != kUserauthService || std::exchange(service_accepted_, true)) return false;
  if (!auth_) begin_login();
  return true;
}

void ClientConnection::begin_login() {
  AuthClientConfig config;
  config.user = config_.user;
  config.host = config_.host;
  config.session_id.assign(machine_->session_id().begin(), machine_->session_id().end());
  config.order = config_.order;
  if (host_unsafe_) {
    // What the user types would be the impostor's; a signature is good for this session only.
    std::erase_if(config.order, [](AuthMethod method) { return method != AuthMethod::publickey; });
  }
  config.password_prompts = config_.password_prompts;
  config.server_sig_algs = server_sig_algs_;
  config.allow_ssh_rsa = config_.allow_ssh_rsa;
  config.signature_algorithms = config_.signature_algorithms;
  config.identities = keys_->identities();
  config.keys_first = true;
  config.probe_before_asking = config_.probe_before_asking;
  auth_.emplace(std::move(config));
  act(auth_->start());
}

bool ClientConnection::on_message(Bytes payload, uint32_t sequence) {
  if (is_userauth_message(payload[0])) return act(auth_->take(payload), sequence), true;
  switch (payload[0]) {
    case kMsgGlobalRequest: return take_global_request(payload), true;
    case kMsgRequestSuccess:
    case kMsgRequestFailure: return replies_.take(payload), true;
    default: return false;
  }
}

void ClientConnection::act(Result<ClientActions> actions, uint32_t sequence) {
  if (!actions && actions.error() == ErrorCode::auth_no_methods)
    return give_up(permission_denied(), Disconnect::no_more_auth_methods);
  if (!actions) return machine_->fail_with(actions.error());
  for (ClientAction& action : *actions) act_on(action, sequence);
}

ClientFailure ClientConnection::permission_denied() const {
  ClientFailure denied{FailureKind::permission_denied, refused_certificates() + config_.user + "@" + config_.host +
                                                           ": Permission denied (" + auth_->methods().names() + ")."};
  denied.methods = auth_->methods();
  return denied;
}

// The server says no more than no; what speaks against each certificate can be read from it.
std::string ClientConnection::refused_certificates() const {
  std::string text;
  for (const size_t i : auth_->refused_certificates()) {
    const ClientIdentity& identity = keys_->identities()[i];
    const Certificate& one = *identity.certificate;
    std::string why = objection_to_time(one, std::time(nullptr));
    const auto& names = one.principals;
    if (why.empty() && !names.empty() && std::find(names.begin(), names.end(), config_.user) == names.end()) {
      why = "it is not for " + config_.user + " but for ";
      for (size_t n = 0; n < names.size(); ++n) why.append(n ? ", " : "").append(names[n]);
    }
    if (why.empty()) why = "the server may not trust its authority, or somebody revoked it";
    text.append("The server did not take the certificate " + log_text(identity.name) + ", " +
                describe_certificate(one) + ": " + log_text(why) + ".\n");
  }
  return text;
}

void ClientConnection::act_on(ClientAction& action, uint32_t sequence) {
  if (auto* message = std::get_if<SendSecret>(&action)) {
    const Bytes bytes = message->message.view();
    machine_->send({bytes.begin(), bytes.end()});
  } else if (const auto* shown = std::get_if<ShowText>(&action)) {
    dialog_.show(shown->text);
  } else if (std::holds_alternative<SendUnimplemented>(action)) {
    machine_->send(WireWriter().u8(kMsgUnimplemented).u32(sequence).take());
  } else if (const auto* what = std::get_if<SignWith>(&action)) {
    sign(*what, 0, std::nullopt);
  } else if (const auto* password = std::get_if<AskPassword>(&action)) {
    dialog_.ask_password(password->prompt, answered([this](std::optional<Secret> typed) {
                           act(auth_->take_password(std::move(typed)));
                         }));
  } else if (const auto* change = std::get_if<AskNewPassword>(&action)) {
    dialog_.ask_new_password(change->prompt, answered([this](std::optional<Secret> typed) {
                               act(auth_->take_new_password(std::move(typed)));
                             }));
  } else if (const auto* asked = std::get_if<AskPrompts>(&action)) {
    ask_prompts(asked->prompts);
  } else if (const auto* in = std::get_if<ClientAuthenticated>(&action)) {
    log_in(in->method);
  }
}

void ClientConnection::ask_prompts(const PromptSet& set) {
  if (!set.prompts.empty()) {
    return dialog_.ask_prompts(set, answered([this](std::optional<std::vector<Secret>> typed) {
                                 act(auth_->take_answers(std::move(typed)));
                               }));
  }
  // RFC 4256 section 3.4: nothing to answer is answered too, but its words may be for the user's eyes.
  for (const std::string* text : {&set.name, &set.instruction}) {
    if (!text->empty()) dialog_.show(*text + "\n");
  }
  act(auth_->take_answers(std::vector<Secret>()));
}

void ClientConnection::sign(const SignWith& what, unsigned attempt, std::optional<Secret> passphrase) {
  auto outcome = std::make_shared<SigningTry>();
  auto phrase = std::make_shared<std::optional<Secret>>(std::move(passphrase));
  run_slow([keys = keys_, what, phrase,
            outcome] { *outcome = keys->sign(what.identity, what.algorithm, what.data, *phrase); },
           [this, what, attempt, outcome] { finish_signing(what, attempt, std::move(*outcome)); });
}

void ClientConnection::finish_signing(const SignWith& what, unsigned attempt, SigningTry outcome) {
  show_problems();
  if (!outcome.wants_passphrase || attempt >= config_.passphrase_prompts) {
    return act(auth_->take_signature(std::move(outcome.signature)));
  }
  dialog_.ask_passphrase(*outcome.wants_passphrase, attempt,
                         answered([this, what, attempt](std::optional<Secret> typed) {
                           if (typed) return sign(what, attempt + 1, std::move(typed));
                           act(auth_->take_signature(std::nullopt));
                         }));
}

void ClientConnection::show_problems() {
  const auto& problems = keys_->problems();
  for (; problems_shown_ < problems.size(); ++problems_shown_) dialog_.show(problems[problems_shown_] + "\n");
}

void ClientConnection::log_in(AuthMethod method) {
  logged_in_ = true;
  machine_->set_authenticated();
  if (config_.alive_interval_ms > 0) loop_.after(config_.alive_interval_ms, guarded([this] { stay_alive(); }));
  events_.logged_in({method, host_unsafe_});
}

// --- The end

void ClientConnection::give_up(ClientFailure failure, Disconnect code) {
  if (machine_->closed()) return;
  const std::string_view told = farewell(failure.kind);
  failure_ = std::move(failure);
  machine_->close(code, told);
}

void ClientConnection::close() {
  closing_ = true;
  machine_->close(Disconnect::by_application, "disconnected by user");
}

void ClientConnection::on_no_common_algorithm(const Disagreement& offers) {
  failure_ = ClientFailure{FailureKind::no_common_algorithm,
                           "Unable to negotiate with " + config_.host + ": " + log_text(offers.text)};
  failure_->offers = offers;
}

ClientFailure ClientConnection::failure_of_transport() const {
  const auto& closing = machine_->closing();
  // A server may count the last try as one too many.
  if (auth_ && auth_->last_try() && !logged_in_ && (!closing || closing->by_peer)) return permission_denied();
  if (!closing && !machine_->identified()) {
    const std::string& said = machine_->peer_said();
    return {FailureKind::turned_away, "Connection closed by " + config_.host + " before it said who it is" +
                                          (said.empty() ? "" : ": " + log_text(said))};
  }
  if (!closing) return {FailureKind::closed, "Connection closed by " + config_.host};
  if (closing->by_peer) {
    ClientFailure failure{FailureKind::disconnected,
                          "Received disconnect from " + config_.host + ": " + log_text(closing->text)};
    failure.reason = static_cast<uint32_t>(closing->code);
    failure.probe_was_counted = auth_ && !logged_in_ && auth_->probing_before_asking();
    return failure;
  }
  const FailureKind kind = closing->code == Disconnect::version_not_supported     ? FailureKind::version
                           : closing->code == Disconnect::host_key_not_verifiable ? FailureKind::host_key_unverified
                                                                                  : FailureKind::protocol;
  return {kind, "Connection to " + config_.host + " ended: " + log_text(closing->text)};
}

void ClientConnection::on_ended() {
  if (!failure_ && !closing_) failure_ = failure_of_transport();
  *alive_ = false;
  events_.ended(failure_);
}

}  // namespace sluice
