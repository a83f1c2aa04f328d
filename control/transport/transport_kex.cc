// The exchange itself: from two KEXINITs to keys, with everything slow on other threads.
//
// Server: take the client's value -> agree -> hash -> sign -> reply, NEWKEYS. Client: open -> take the reply -> agree
// -> hash -> verify -> judge the host key -> NEWKEYS. Keys are derived in the same slow step that hashes.
#include "base/clock.h"
#include "base/debug_words.h"
#include "base/message_numbers.h"
#include "base/wire.h"
#include "control/engine/key_engine.h"
#include "control/kex/exchange_hash.h"
#include "control/keys/certificate.h"
#include "control/keys/public_key.h"
#include "control/transport/transport_debug.h"
#include "control/transport/transport_machine.h"

namespace sluice {

// What one slow step made. Owned by the step and its continuation, so that threads share nothing else.
struct TransportMachine::Outcome {
  Result<KexStep> step = fail(ErrorCode::crypto_device);  // until it was made
  std::vector<uint8_t> host_key;
  std::string signature_error;
  Digest hash;
  DirectionKeys client_to_server;
  DirectionKeys server_to_client;

  bool agreed() const { return step && std::holds_alternative<KexAgreed>(*step); }
};

template <class F>
auto TransportMachine::guarded(F f) {
  return [this, alive = alive_, f = std::move(f)](auto&&... arguments) {
    if (*alive && !closed_) f(std::forward<decltype(arguments)>(arguments)...);
  };
}

namespace {

struct HashInput {
  std::string client_version, server_version;
  std::vector<uint8_t> client_init, server_init;
  std::vector<uint8_t> session_id;  // empty: this is the first exchange
  Negotiated agreed;
};

DirectionKeys derive(const HashInput& input, const Digest& hash, const Secret& shared, const CipherSuite& suite,
                     bool client_to_server) {
  const Bytes session = input.session_id.empty() ? hash.view() : Bytes(input.session_id);
  const auto key = [&](KeyLetter up, KeyLetter down, size_t size) {
    return derive_key(input.agreed.method->hash, shared, hash, client_to_server ? up : down, session, size);
  };
  return {&suite, key(KeyLetter::cipher_client_to_server, KeyLetter::cipher_server_to_client, suite.cipher->key_bytes),
          key(KeyLetter::iv_client_to_server, KeyLetter::iv_server_to_client, suite.cipher->iv_bytes),
          key(KeyLetter::mac_client_to_server, KeyLetter::mac_server_to_client, suite.mac ? suite.mac->key_bytes : 0)};
}

// Slow: the exchange hash and all keys.
template <class Outcome>
void hash_and_derive(Outcome& out, const HashInput& input) {
  const auto& agreed = std::get<KexAgreed>(*out.step);
  out.hash = exchange_hash(input.agreed.method->hash,
                           {bytes_of(input.client_version), bytes_of(input.server_version), input.client_init,
                            input.server_init, out.host_key, agreed.hash_fields, agreed.shared.view()});
  out.client_to_server = derive(input, out.hash, agreed.shared, *input.agreed.client_to_server, true);
  out.server_to_client = derive(input, out.hash, agreed.shared, *input.agreed.server_to_client, false);
}

// Slow: does the server hold the key that it shows?
std::string verify_host_key(const KexAgreed& agreed, std::string_view algorithm, const Digest& hash,
                            const KeyLimits& limits) {
  const CertificateAlgorithm* certified = find_certificate_algorithm(algorithm);
  std::optional<PublicKey> key;
  KeyError error{};
  if (certified) {
    auto certificate = Certificate::parse(agreed.host_key, limits);
    if (certificate)
      key = std::move(certificate->key);
    else
      error = certificate.error();
    algorithm = certified->plain;
  } else if (auto plain = PublicKey::parse(agreed.host_key, limits)) {
    key = std::move(*plain);
  } else {
    error = plain.error();
  }
  if (!key) {
    const std::string what = certified ? "the server's host certificate: " : "the server's host key: ";
    const std::string why(describe(error));
    return what + (error == KeyError::key_too_short ? why + " (RequiredRSASize)" : why);
  }
  const auto verified = key->verify(agreed.signature, algorithm, hash.view());
  return verified ? std::string() : "the server's signature: " + std::string(describe(verified.error()));
}

}  // namespace

void TransportMachine::begin_exchange(InitSent sent, bool own_held, Bytes peer, uint32_t sequence) {
  auto own_init = parse_kexinit(sent.own);
  auto peer_init = parse_kexinit(peer);
  if (!peer_init) return fail_with(peer_init.error());
  auto agreed = negotiate(is_server() ? *peer_init : *own_init, is_server() ? *own_init : *peer_init);
  if (!agreed) {
    around_.upper.on_no_common_algorithm(agreed.error());
    return refuse(Disconnect::key_exchange_failed, agreed.error().text);
  }
  Exchanging state;
  state.ignore_next = is_server() ? agreed->client_guess_wrong : agreed->server_guess_wrong;
  if (exchanges_ == 0) {
    strict_ = agreed->strict;
    // Strict: KEXINIT must be the first packet of all, or something was slipped in before it.
    if (strict_ && sequence != 0) return refuse(Disconnect::protocol_error, "KEXINIT was not the first packet");
    phase_ = strict_ ? TransportPhase::first_kex_strict : TransportPhase::first_kex;
    ext_info_due_ = is_server() ? agreed->client_wants_ext_info : agreed->server_wants_ext_info;
  }
  const auto leads = [](const NameList& names, std::string_view name) { return !names.empty() && names[0] == name; };
  peer_prefers_agreed_ = leads((*peer_init)[KexList::kex], agreed->method->name) &&
                         leads((*peer_init)[KexList::host_key], agreed->host_key_algorithm);
  // Held is for the message that follows at once.
  state.own_held = own_held && peer_init->first_packet_follows && !state.ignore_next;
  if (own_held && !state.own_held) put(sent.own);
  state.own = std::move(sent.own);
  state.peer.assign(peer.begin(), peer.end());
  const bool guessed_right = sent.guess && !agreed->client_guess_wrong;
  const auto prepared = guessed_right ? nullptr : std::exchange(prepared_, nullptr);
  const bool ready = prepared && prepared->ready && prepared->method == agreed->method;
  if (is_server()) {
    state.server = ready ? prepared->server : start_kex_server(*agreed->method, config_.kex_options);
  } else if (guessed_right) {
    state.client = std::move(sent.guess);
  } else {
    state.client = ready ? prepared->client : start_kex_client(*agreed->method, config_.kex_options);
  }
  state.agreed = std::move(*agreed);
  if (debugging(kDebugDetail)) tell_agreed(state.agreed);
  Exchanging& exchange = kex_.emplace<Exchanging>(std::move(state));
  if (!is_server() && !guessed_right) open_as_client(exchange, ready);
}

void TransportMachine::open_as_client(Exchanging& exchange, bool ready) {
  // From our first method message on the peer may send NEWKEYS.
  around_.port.expect_newkeys(strict_);
  // One batch with our KEXINIT, where nothing is left to compute.
  if (ready) return put(exchange.client->open());
  exchange.busy = true;
  auto first = std::make_shared<Payload>();
  run_ahead(
      *exchange.agreed.method, [client = exchange.client, first] { *first = client->open(); },
      [this, first] {
        // Nothing, where a device was to compute it and never answered.
        if (first->empty()) return fail_with(ErrorCode::crypto_device);
        std::get<Exchanging>(kex_).busy = false;
        put(std::move(*first));
      });
}

void TransportMachine::tell_agreed(const Negotiated& agreed) {
  const auto mac = [](const CipherSuite& suite) { return suite.mac ? suite.mac->ssh_name : std::string_view("none"); };
  const bool groups = agreed.method->name.starts_with("diffie-hellman-group-exchange");
  for (const auto& [way, suite] :
       {std::pair("client->server", agreed.client_to_server), std::pair("server->client", agreed.server_to_client)})
    tell(kDebugDetail, "kex: ", way, " enc:", suite->cipher->ssh_name, " mac:", mac(*suite));
  tell(kDebugDetail, "Using hostkey algo = ", agreed.host_key_algorithm);
  tell(kDebugDetail, "Using kex_algo = ", agreed.method->name);
  if (is_server() && !groups) tell(kDebugDetail, "expecting SSH2_MSG_KEXDH_INIT");
}

void TransportMachine::prepare_rekey() {
  // One at a time: who rekeys without end may not queue more.
  if (closed_ || prepared_ || preparing_ || negotiated_.method == nullptr) return;
  prepared_ = std::make_shared<Prepared>();
  prepared_->method = negotiated_.method;
  std::function<void()> work;
  if (is_server()) {
    prepared_->server = start_kex_server(*prepared_->method, config_.kex_options);
    work = [server = prepared_->server] { server->prepare(); };
  } else {
    prepared_->client = start_kex_client(*prepared_->method, config_.kex_options);
    work = [client = prepared_->client] { client->prepare(); };
  }
  // Merely ahead of time: without room for it the exchange makes its keys when it comes.
  preparing_ = true;
  const bool taken = around_.slow.run(std::move(work), guarded([this, prepared = prepared_] {
                                        prepared->ready = true;
                                        preparing_ = false;
                                      }));
  if (taken) return;
  preparing_ = false;
  prepared_.reset();
}

bool TransportMachine::waits_for_peer() const {
  const auto* exchange = std::get_if<Exchanging>(&kex_);
  return exchange != nullptr ? !exchange->busy : in_kex();
}

// Strangers' work waits its turn in the pool, unless nobody else's does. Who is logged in has one step at a time in
// work, so however often one rekeys, the others' messages wait for tenths of a millisecond.
void TransportMachine::run_step(const KexMethod& method, std::function<void()> work, std::function<void()> then) {
  if (!may_run_here(method)) return run_slow(method, std::move(work), std::move(then));
  work();
  then();
}

bool TransportMachine::may_run_here(const KexMethod& method) const {
  // A device would have this thread wait for it.
  return method.quick && !KeyEngine::in_use() && (*phase_ == TransportPhase::connected || around_.slow.has_time());
}

// Keys of a rekey that nobody had prepared, beside others' work where the pool takes it.
void TransportMachine::run_ahead(const KexMethod& method, const std::function<void()>& work,
                                 const std::function<void()>& then) {
  if (!may_run_here(method)) return run_slow(method, work, then);
  if (around_.slow.run(work, guarded(then))) return;
  work();
  then();
}

void TransportMachine::run_slow(const KexMethod& method, std::function<void()> work, std::function<void()> then) {
  // An encapsulation's matrices are too much for a small stack.
  const bool pausable = KeyEngine::in_use() && method.kem == nullptr;
  std::function<void()> last = guarded(std::move(then));
  const bool taken = pausable ? around_.slow.run_pausable(std::move(work), std::move(last))
                              : around_.slow.run(std::move(work), std::move(last));
  if (!taken) refuse(Disconnect::too_many_connections, "Too many key exchanges are waiting");
}

void TransportMachine::take_method_message(Bytes payload) {
  auto* exchange = std::get_if<Exchanging>(&kex_);
  if (exchange == nullptr) return fail_with(ErrorCode::unexpected_message);
  if (std::exchange(exchange->ignore_next, false)) return;
  if (exchange->busy) return fail_with(ErrorCode::unexpected_message);
  step({payload.begin(), payload.end()});
}

void TransportMachine::step(std::vector<uint8_t> payload) {
  auto& exchange = std::get<Exchanging>(kex_);
  exchange.busy = true;
  exchange.reply_taken = !is_server();
  // Before any answer of ours: it may be what lets the peer send NEWKEYS.
  if (is_server()) around_.port.expect_newkeys(strict_);
  auto outcome = std::make_shared<Outcome>();
  const std::string& own = own_identification_;
  const std::string& peer = identification_.peer().line;
  HashInput input{is_server() ? peer : own,
                  is_server() ? own : peer,
                  is_server() ? exchange.peer : exchange.own,
                  is_server() ? exchange.own : exchange.peer,
                  session_id_,
                  exchange.agreed};
  if (is_server()) outcome->host_key = around_.host_keys->public_blob(exchange.agreed.host_key_algorithm);
  const KexMethod& method = *exchange.agreed.method;
  run_step(
      method,
      [outcome, input = std::move(input), payload = std::move(payload), client = exchange.client,
       server = exchange.server, limits = config_.host_key_limits] {
        outcome->step = server ? server->take(payload) : client->take(payload);
        if (!outcome->agreed()) return;
        if (client) outcome->host_key = std::get<KexAgreed>(*outcome->step).host_key;
        hash_and_derive(*outcome, input);
        if (client) {
          outcome->signature_error = verify_host_key(std::get<KexAgreed>(*outcome->step),
                                                     input.agreed.host_key_algorithm, outcome->hash, limits);
        }
      },
      [this, outcome] { finish_step(outcome); });
}

void TransportMachine::finish_step(const std::shared_ptr<Outcome>& outcome) {
  auto& exchange = std::get<Exchanging>(kex_);
  if (!outcome->step) return fail_with(outcome->step.error());
  if (auto* reply = std::get_if<Payload>(&*outcome->step)) {
    // A group is no reply: NEWKEYS behind it came too early.
    if (exchange.peer_turned) return fail_with(ErrorCode::unexpected_message);
    exchange.busy = exchange.reply_taken = false;
    show_init();
    if (debugging(kDebugDetail))
      for (const std::string& line : lines_of_sent(*reply)) tell(kDebugDetail, line);
    return put(std::move(*reply));
  }
  is_server() ? answer_as_server(outcome) : check_as_client(outcome);
}

void TransportMachine::answer_as_server(const std::shared_ptr<Outcome>& outcome) {
  const auto& agreed = std::get<Exchanging>(kex_).agreed;
  around_.host_keys->sign(agreed.method->name, agreed.host_key_algorithm, outcome->hash.view(),
                          guarded([this, outcome](ResultOrText<std::vector<uint8_t>> signature) {
                            if (!signature) return refuse(Disconnect::key_exchange_failed, signature.error());
                            show_init();
                            tell(kDebugDetail | kDebugPacket, "signature length ", std::to_string(signature->size()));
                            const auto& exchange = std::get<Exchanging>(kex_);
                            put(exchange.server->reply(outcome->host_key, *signature));
                            turn(outcome);
                          }));
}

void TransportMachine::check_as_client(const std::shared_ptr<Outcome>& outcome) {
  if (!outcome->signature_error.empty()) {
    return refuse(Disconnect::host_key_not_verifiable, outcome->signature_error);
  }
  around_.judge->judge(outcome->host_key, std::get<Exchanging>(kex_).agreed.host_key_algorithm,
                       guarded([this, outcome](ResultOrText<bool> verdict) {
                         if (!verdict) return refuse(Disconnect::host_key_not_verifiable, verdict.error());
                         if (!*verdict) return refuse(Disconnect::host_key_not_verifiable, "Host key was not accepted");
                         turn(outcome);
                       }));
}

// Both directions' keys to the data path, our NEWKEYS, and what waited for it.
void TransportMachine::turn(const std::shared_ptr<Outcome>& outcome) {
  auto exchange = std::move(std::get<Exchanging>(kex_));
  const bool first = session_id_.empty();
  if (first) session_id_.assign(outcome->hash.view().begin(), outcome->hash.view().end());
  negotiated_ = exchange.agreed;
  tell(kDebugDetail, "kex_derive_keys complete");
  around_.port.install_receive(std::move(is_server() ? outcome->client_to_server : outcome->server_to_client));
  if (closed_) return;
  tell(kDebugDetail | kDebugPacket, "newkeys: mode 1");
  if (debugging(kDebugPackets)) tell_sending(1);
  sending_ = is_server() ? negotiated_.server_to_client : negotiated_.client_to_server;
  around_.port.send_newkeys(std::move(is_server() ? outcome->server_to_client : outcome->client_to_server), strict_);
  if (closed_) return;
  tell(kDebugDetail, "SSH2_MSG_NEWKEYS sent");
  if (!exchange.peer_turned) tell(kDebugDetail, "waiting for SSH2_MSG_NEWKEYS");
  kex_ = Turning{};
  if (std::exchange(ext_info_due_, false)) send_ext_info();
  release_waiting();
  if (exchange.peer_turned) end_exchange();
}

void TransportMachine::peer_turned() {
  if (closed_) return;
  if (auto* exchange = std::get_if<Exchanging>(&kex_); exchange != nullptr && exchange->reply_taken) {
    exchange->peer_turned = true;
  } else if (std::holds_alternative<Turning>(kex_)) {
    end_exchange();
  } else {
    fail_with(ErrorCode::unexpected_message);
  }
}

void TransportMachine::end_exchange() {
  kex_ = NoKex{};
  ++exchanges_;
  exchange_ns_ = monotonic_clock().now_ns() - exchange_began_ns_;
  tell(kDebugDetail | kDebugPacket, "newkeys: mode 0");
  tell(kDebugDetail, "SSH2_MSG_NEWKEYS received");
  if (exchanges_ > 1) {
    // Who rekeyed once will again, and who of the two begins is not ours to know.
    prepare_rekey();
    return around_.upper.on_rekeyed();
  }
  phase_ = TransportPhase::keyed;
  ext_info_allowed_ = true;
  around_.upper.on_keyed(session_id_);
}

}  // namespace sluice
