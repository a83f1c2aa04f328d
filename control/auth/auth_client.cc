// The order of methods, what each of them sends, and which answers may come when.
#include "control/auth/auth_client.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/wire.h"
#include "control/keys/secret_writer.h"

namespace sluice {
namespace {

using enum AuthReaction;

struct PhaseRow {
  ClientPhase phase;
  AuthReaction outcome;       // 51 failure, 52 success
  AuthReaction banner;        // 53
  AuthReaction method_reply;  // 60
};

constexpr std::array<PhaseRow, static_cast<size_t>(ClientPhase::count_)> kPhases{{
    {ClientPhase::before, refuse, AuthReaction::take, refuse},
    {ClientPhase::probing, AuthReaction::take, AuthReaction::take, refuse},
    {ClientPhase::querying, AuthReaction::take, AuthReaction::take, AuthReaction::take},
    {ClientPhase::signing, refuse, AuthReaction::take, refuse},
    {ClientPhase::proving, AuthReaction::take, AuthReaction::take, refuse},
    {ClientPhase::password_asked, refuse, AuthReaction::take, refuse},
    {ClientPhase::password_sent, AuthReaction::take, AuthReaction::take, AuthReaction::take},
    {ClientPhase::new_asked, refuse, AuthReaction::take, refuse},
    {ClientPhase::change_sent, AuthReaction::take, AuthReaction::take, AuthReaction::take},
    {ClientPhase::interactive_sent, AuthReaction::take, AuthReaction::take, AuthReaction::take},
    {ClientPhase::prompts_asked, refuse, AuthReaction::take, refuse},
    {ClientPhase::done, refuse, refuse, refuse},
}};

constexpr size_t kRequestRoom = 1024;

}  // namespace

AuthReaction client_reaction(ClientPhase phase, uint8_t message) {
  const PhaseRow& row = kPhases[static_cast<size_t>(phase)];
  if (message < auth_message::kFirst || message > auth_message::kLast) return refuse;
  switch (message) {
    case auth_message::kFailure:
    case auth_message::kSuccess: return row.outcome;
    case auth_message::kBanner: return row.banner;
    case auth_message::kMethodReply: return row.method_reply;
    case auth_message::kRequest:
    case auth_message::kInfoResponse: return refuse;  // ours to send
    default: return unimplemented;
  }
}

AuthClient::AuthClient(AuthClientConfig config) : config_(std::move(config)), used_(config_.identities.size()) {
  SLUICE_CHECK(config_.user.size() <= kMaxUserName);
}

Secret AuthClient::request(AuthMethod method, size_t room) const {
  SecretWriter out(kRequestRoom + room);
  out.u8(auth_message::kRequest).string(config_.user).string(kConnectionService).string(name_of(method));
  return out.take();
}

void AuthClient::send(ClientActions& actions, Secret message, ClientPhase next_phase) {
  actions.emplace_back(SendSecret{std::move(message)});
  phase_ = next_phase;
}

ClientActions AuthClient::start() {
  SLUICE_CHECK(phase_ == ClientPhase::before);
  ClientActions actions;
  const bool keys = config_.keys_first && !config_.order.empty() && config_.order.front() == AuthMethod::publickey;
  if (!keys || !try_method(AuthMethod::publickey, actions)) probe(actions);
  return actions;
}

void AuthClient::probe(ClientActions& actions) {
  probed_ = true;
  method_ = AuthMethod::none;
  send(actions, request(AuthMethod::none, 0), ClientPhase::probing);
}

Result<ClientActions> AuthClient::take(Bytes payload) {
  if (payload.empty() || payload.size() > kMaxAuthMessage) return fail(ErrorCode::malformed_message);
  switch (client_reaction(phase_, payload[0])) {
    case refuse: return fail(ErrorCode::unexpected_message);
    case ignore: return ClientActions{};
    case unimplemented: {
      ClientActions actions;
      actions.emplace_back(SendUnimplemented{});
      return actions;
    }
    case AuthReaction::take: break;
  }
  switch (payload[0]) {
    case auth_message::kFailure: return take_failure(payload);
    case auth_message::kMethodReply: return take_method_reply(payload);
    case auth_message::kBanner: {
      auto text = parse_banner(payload);
      if (!text) return fail(text.error());
      ClientActions actions;
      if (++banners_ <= kMaxBanners) actions.emplace_back(ShowText{std::move(*text)});
      return actions;
    }
    default: {
      if (payload.size() != 1) return fail(ErrorCode::malformed_message);
      phase_ = ClientPhase::done;
      old_password_.clear();
      ClientActions actions;
      actions.emplace_back(ClientAuthenticated{method_});
      return actions;
    }
  }
}

Result<ClientActions> AuthClient::take_failure(Bytes payload) {
  const auto failure = parse_failure(payload);
  if (!failure) return fail(failure.error());
  can_continue_ = failure->methods;
  ++refused_;
  if (!failure->partial && method_ == AuthMethod::publickey && !config_.identities.empty() &&
      config_.identities[identity_].certificate) {
    refused_certificates_.push_back(identity_);
  }
  if (failure->partial) {
    probed_ = true;
    if (++partial_steps_ > kMaxPartialSteps) return fail(ErrorCode::auth_no_methods);
    if (method_ == AuthMethod::publickey && !used_.empty()) used_[identity_] = true;
    next_identity_ = 0;
    spent_ = MethodSet();
    passwords_asked_ = interactive_tries_ = 0;
  } else if (method_ == AuthMethod::keyboard_interactive && phase_ == ClientPhase::interactive_sent && !prompted_) {
    // Refused without a question: asking again would end the same.
    spent_.add(AuthMethod::keyboard_interactive);
  }
  return next();
}

Result<ClientActions> AuthClient::next() {
  ClientActions actions;
  old_password_.clear();
  last_try_ = false;
  for (const AuthMethod method : config_.order) {
    if (!can_continue_.has(method) || spent_.has(method)) continue;
    if (probes_before(method)) {
      early_probe_ = true;
      probe(actions);
      return actions;
    }
    if (try_method(method, actions)) return actions;
  }
  if (probed_) return fail(ErrorCode::auth_no_methods);
  // There are servers that let in whoever asks.
  last_try_ = true;
  probe(actions);
  return actions;
}

// There are accounts that need no password: nobody is to be asked for one.
bool AuthClient::probes_before(AuthMethod method) const {
  const bool asks = method == AuthMethod::password || method == AuthMethod::keyboard_interactive;
  return asks && !probed_ && config_.probe_before_asking && refused_ <= kRefusedBeforeProbe;
}

bool AuthClient::try_method(AuthMethod method, ClientActions& actions) {
  method_ = method;
  bool tried = false;
  switch (method) {
    case AuthMethod::publickey: tried = offer_key(actions); break;
    case AuthMethod::password: tried = ask_password(actions); break;
    case AuthMethod::keyboard_interactive: tried = start_interactive(actions); break;
    default: break;
  }
  if (!tried) spent_.add(method);
  return tried;
}

// RFC 8332 section 3: an RSA key signs with what the server names; where it names nothing, with SHA-2 all the same.
std::string AuthClient::algorithm_for(const ClientIdentity& identity) const {
  const PublicKey& key = identity.key;
  if (key.type() == KeyType::dsa) return {};
  const auto allowed = [&](std::string_view plain) {
    const auto& list = config_.signature_algorithms;
    const std::string_view name = identity.certificate ? certified_name(plain) : plain;
    return !name.empty() && (list.empty() || std::find(list.begin(), list.end(), name) != list.end());
  };
  if (key.type() != KeyType::rsa) return allowed(key.type_name()) ? std::string(key.type_name()) : std::string();
  const auto named = [&](std::string_view name) {
    const auto& list = config_.server_sig_algs;
    return !list || std::find(list->begin(), list->end(), name) != list->end();
  };
  for (const char* name : {"rsa-sha2-512", "rsa-sha2-256"})
    if (named(name) && allowed(name)) return name;
  const bool old =
      identity.certificate ? allowed("ssh-rsa") && !config_.signature_algorithms.empty() : config_.allow_ssh_rsa;
  return old && named("ssh-rsa") ? "ssh-rsa" : "";
}

std::string AuthClient::shown_algorithm() const {
  return config_.identities[identity_].certificate ? std::string(certified_name(algorithm_)) : algorithm_;
}

bool AuthClient::offer_key(ClientActions& actions) {
  for (; next_identity_ < config_.identities.size(); ++next_identity_) {
    const ClientIdentity& identity = config_.identities[next_identity_];
    algorithm_ = algorithm_for(identity);
    if (algorithm_.empty() || used_[next_identity_]) continue;
    identity_ = next_identity_++;
    if (identity.ready) {
      actions.emplace_back(to_be_signed(identity.blob()));
      phase_ = ClientPhase::signing;
      return true;
    }
    SecretWriter out(kRequestRoom + identity.blob().size());
    out.raw(request(AuthMethod::publickey, 0).view()).u8(0).string(shown_algorithm()).string(identity.blob());
    send(actions, out.take(), ClientPhase::querying);
    return true;
  }
  return false;
}

bool AuthClient::ask_password(ClientActions& actions) {
  if (passwords_asked_ >= config_.password_prompts) return false;
  ++passwords_asked_;
  if (passwords_asked_ > 1) actions.emplace_back(ShowText{"Permission denied, please try again.\n"});
  actions.emplace_back(AskPassword{config_.user + (config_.host.empty() ? "" : "@" + config_.host) + "'s password: "});
  phase_ = ClientPhase::password_asked;
  return true;
}

bool AuthClient::start_interactive(ClientActions& actions) {
  if (interactive_tries_ >= config_.password_prompts) return false;
  ++interactive_tries_;
  prompted_ = false;
  SecretWriter out(kRequestRoom);
  out.raw(request(AuthMethod::keyboard_interactive, 0).view()).string("").string("");
  send(actions, out.take(), ClientPhase::interactive_sent);
  return true;
}

Result<ClientActions> AuthClient::take_method_reply(Bytes payload) {
  ClientActions actions;
  if (phase_ == ClientPhase::querying) return take_key_ok(payload);
  if (++rounds_ > kMaxClientRounds) return fail(ErrorCode::auth_no_methods);
  if (phase_ == ClientPhase::interactive_sent) {
    auto prompts = parse_info_request(payload);
    if (!prompts) return fail(prompts.error());
    prompted_ = true;
    prompt_count_ = prompts->prompts.size();
    actions.emplace_back(AskPrompts{std::move(*prompts)});
    phase_ = ClientPhase::prompts_asked;
    return actions;
  }
  auto text = parse_change_request(payload);
  if (!text) return fail(text.error());
  actions.emplace_back(AskNewPassword{std::move(*text)});
  phase_ = ClientPhase::new_asked;
  return actions;
}

Result<ClientActions> AuthClient::take_key_ok(Bytes payload) {
  WireReader in(payload.subspan(1));
  const std::string_view algorithm = in.text();
  const Bytes key = in.string();
  if (!in.ok() || !in.at_end()) return fail(ErrorCode::malformed_message);
  const Bytes ours = config_.identities[identity_].blob();
  // An answer about another key than the one in question would choose what we sign with.
  if (algorithm != shown_algorithm() || !std::equal(key.begin(), key.end(), ours.begin(), ours.end()))
    return fail(ErrorCode::malformed_message);
  ClientActions actions;
  actions.emplace_back(to_be_signed(ours));
  phase_ = ClientPhase::signing;
  return actions;
}

SignWith AuthClient::to_be_signed(Bytes blob) const {
  return {identity_, algorithm_, publickey_signed_data(config_.session_id, config_.user, shown_algorithm(), blob)};
}

Result<ClientActions> AuthClient::take_signature(std::optional<std::vector<uint8_t>> signature) {
  SLUICE_CHECK(phase_ == ClientPhase::signing);
  if (!signature || signature->size() > kMaxSignature) return next();
  const Bytes shown = config_.identities[identity_].blob();
  SecretWriter out(kRequestRoom + shown.size() + kMaxSignature);
  out.raw(request(AuthMethod::publickey, 0).view()).u8(1).string(shown_algorithm());
  out.string(shown).string(*signature);
  ClientActions actions;
  send(actions, out.take(), ClientPhase::proving);
  return actions;
}

Result<ClientActions> AuthClient::take_password(std::optional<Secret> password) {
  SLUICE_CHECK(phase_ == ClientPhase::password_asked);
  if (!password || password->size() > kMaxPassword) {
    spent_.add(AuthMethod::password);
    return next();
  }
  SecretWriter out(kRequestRoom + kMaxPassword);
  out.raw(request(AuthMethod::password, 0).view()).u8(0).string(password->view());
  old_password_ = std::move(*password);
  ClientActions actions;
  send(actions, out.take(), ClientPhase::password_sent);
  return actions;
}

Result<ClientActions> AuthClient::take_new_password(std::optional<Secret> password) {
  SLUICE_CHECK(phase_ == ClientPhase::new_asked);
  if (!password || password->size() > kMaxPassword) {
    spent_.add(AuthMethod::password);
    return next();
  }
  SecretWriter out(kRequestRoom + 2 * kMaxPassword);
  out.raw(request(AuthMethod::password, 0).view()).u8(1).string(old_password_.view()).string(password->view());
  ClientActions actions;
  send(actions, out.take(), ClientPhase::change_sent);
  return actions;
}

Result<ClientActions> AuthClient::take_answers(std::optional<std::vector<Secret>> answers) {
  SLUICE_CHECK(phase_ == ClientPhase::prompts_asked);
  if (!answers || answers->size() != prompt_count_) {
    spent_.add(AuthMethod::keyboard_interactive);
    return next();
  }
  SecretWriter out(16 + kMaxPrompts * (kMaxPassword + 4));
  out.u8(auth_message::kInfoResponse).u32(static_cast<uint32_t>(answers->size()));
  for (const Secret& answer : *answers) out.string(answer.view().first(std::min(answer.size(), kMaxPassword)));
  ClientActions actions;
  send(actions, out.take(), ClientPhase::interactive_sent);
  return actions;
}

}  // namespace sluice
