// AuthServer's actions to the transport and the monitor, and back.
#include "control/server_connection.h"

#include <algorithm>

#include "base/message_numbers.h"
#include "base/wire.h"
#include "control/host_key_proofs.h"

namespace sluice {
namespace {

bool is_our_fault(const std::optional<ErrorCode>& error) {
  return error == ErrorCode::auth_monitor || error == ErrorCode::crypto_device;
}

// What no stock client does, by accident or for want of a common algorithm.
bool is_misbehaviour(const Closing& closing) {
  return closing.code == Disconnect::protocol_error || closing.code == Disconnect::mac_error ||
         closing.error == ErrorCode::key_exchange_value || closing.error == ErrorCode::auth_flood ||
         closing.error == ErrorCode::peer_does_not_read;
}

AuthServerConfig with_methods(AuthServerConfig config, MethodSet first) {
  config.first_methods = first;
  return config;
}

}  // namespace

ServerConnection::ServerConnection(ControlLoop& loop, MonitorGate& gate, const LoginSource& source,
                                   const ServerConnectionConfig& config, LedgerPlace place, Told told)
    : loop_(loop),
      gate_(gate),
      keys_(gate.host_keys()),
      config_(config),
      place_(std::move(place)),
      told_(std::move(told)),
      auth_(with_methods(config.auth, gate.first_methods())),
      id_(gate.open(source, *this)),
      replies_([this](std::vector<uint8_t> reply) { machine_->send(std::move(reply)); }) {}

ServerConnection::~ServerConnection() {
  *alive_ = false;
  gate_.close(id_);
}

std::function<void()> ServerConnection::guarded(std::function<void()> then) const {
  return [alive = alive_, then = std::move(then)] {
    if (*alive) then();
  };
}

void ServerConnection::attach(TransportMachine& machine) {
  machine_ = &machine;
  loop_.after(config_.login_timeout_ms, guarded([this] {
                if (login_done_ || machine_->closed()) return;
                timed_out_ = true;
                machine_->fail_with(ErrorCode::auth_timeout);
              }));
}

void ServerConnection::on_ended() {
  const ConnectionEnd end = how_it_ended();
  place_.ended(end, Instant(ControlLoop::now_ms()));
  if (told_.ended) told_.ended(end, machine_->closing());
}

// Only strangers are held to account: who logged in has a name, and a broken line must not lock its owner out.
ConnectionEnd ServerConnection::how_it_ended() const {
  if (login_done_) return ConnectionEnd::orderly;
  if (timed_out_) return ConnectionEnd::timeout;
  const auto& closing = machine_->closing();
  if (closing && !closing->by_peer && is_our_fault(closing->error)) return ConnectionEnd::orderly;
  if (closing && !closing->by_peer && is_misbehaviour(*closing)) return ConnectionEnd::misbehaved;
  return auth_.failures() > 0 ? ConnectionEnd::failed_login : ConnectionEnd::no_login;
}

NameList ServerConnection::algorithms() const {
  NameList names;
  for (const OfferedHostKey& key : *keys_) {
    names.insert(names.end(), key.algorithms.begin(), key.algorithms.end());
  }
  return names;
}

std::vector<uint8_t> ServerConnection::public_blob(std::string_view algorithm) const {
  for (const OfferedHostKey& key : *keys_) {
    if (std::find(key.algorithms.begin(), key.algorithms.end(), algorithm) != key.algorithms.end()) return key.blob;
  }
  return {};
}

void ServerConnection::sign(std::string_view kex, std::string_view algorithm, Bytes exchange_hash, Signed then) {
  signing_.push_back(std::move(then));
  gate_.sign(
      id_,
      {std::string(kex), std::string(algorithm), public_blob(algorithm), {exchange_hash.begin(), exchange_hash.end()}});
}

// The monitor answers a connection's requests of one kind in their order.
void ServerConnection::on_signed(std::vector<uint8_t> signature) {
  if (signing_.empty()) return machine_->fail_with(ErrorCode::auth_monitor);
  const Signed then = std::move(signing_.front());
  signing_.pop_front();
  then(std::move(signature));
}

void ServerConnection::on_judged(AuthVerdict verdict) {
  act(auth_.take_verdict(asked_, std::move(verdict), Instant(ControlLoop::now_ms())), 0);
}

void ServerConnection::on_condemned(std::string_view) { machine_->fail_with(ErrorCode::auth_monitor); }

bool ServerConnection::on_service(std::string_view name) { return name == "ssh-userauth"; }

void ServerConnection::on_note(SinkNote&& note) {
  if (told_.note) told_.note(std::move(note));
}

bool ServerConnection::on_message(Bytes payload, uint32_t sequence) {
  heard_ = true;
  if (is_userauth_message(payload[0])) {
    act(auth_.take(payload, Instant(ControlLoop::now_ms())), sequence);
    return true;
  }
  if (payload[0] == kMsgGlobalRequest) return take_global_request(payload), true;
  // Answers to our keepalives. That one came is all they say.
  return payload[0] == kMsgRequestSuccess || payload[0] == kMsgRequestFailure;
}

void ServerConnection::take_global_request(Bytes payload) {
  const auto request = parse_global_request(payload);
  if (!request) return machine_->fail_with(request.error());
  std::optional<uint64_t> place;
  if (request->wants_reply) {
    place = replies_.owe();
    if (!place) return machine_->fail_with(ErrorCode::request_flood);
    if (request->name == kHostKeysProve) return prove_host_keys(request->data, *place);
  }
  GlobalReply reply = [this, alive = alive_, place](bool success, Bytes data) {
    if (*alive && place) replies_.answer(*place, success, data);
  };
  // keepalive@openssh.com lives by any answer.
  if (!told_.global_request || !told_.global_request(*request, reply)) reply(false, {});
}

void ServerConnection::prove_host_keys(Bytes data, uint64_t place) {
  const bool too_many = proof_ || ++proof_requests_ > kMaxProofRequests;
  const auto keys = read_prove_request(data, *keys_, machine_->negotiated().host_key_algorithm);
  if (too_many || !keys) return replies_.answer(place, false, {});
  proof_ = Proof{place, keys->size()};
  gate_.prove(id_, *keys);
}

void ServerConnection::on_proved(const std::vector<std::vector<uint8_t>>& signatures) {
  if (!proof_) return machine_->fail_with(ErrorCode::auth_monitor);
  const Proof proof = *proof_;
  proof_.reset();
  const auto data = write_proofs(signatures, proof.keys);
  replies_.answer(proof.place, data.has_value(), data ? Bytes(*data) : Bytes());
}

void ServerConnection::ask_whether_alive() {
  if (machine_->closed()) return;
  unanswered_ = std::exchange(heard_, false) ? 0 : unanswered_ + 1;
  if (config_.alive_count_max > 0 && unanswered_ > config_.alive_count_max)
    return machine_->fail_with(ErrorCode::peer_silent);
  machine_->send(global_request(kKeepalive, true, {}));
  loop_.after(config_.alive_interval_ms, guarded([this] { ask_whether_alive(); }));
}

void ServerConnection::enter(const Permit& permit) {
  login_done_ = true;
  place_.authenticated();
  told_.logged_in(permit);
  if (config_.alive_interval_ms > 0) loop_.after(config_.alive_interval_ms, guarded([this] { ask_whether_alive(); }));
}

void ServerConnection::send_not_before(Instant when, std::vector<uint8_t> message) {
  const int64_t wait = when.count() - ControlLoop::now_ms();
  if (wait > 0) {
    return loop_.after(wait, guarded([this, bytes = std::move(message)] { send_now(bytes); }));
  }
  send_now(std::move(message));
}

void ServerConnection::send_now(std::vector<uint8_t> message) {
  if (message[0] == kMsgUserauthSuccess) machine_->set_authenticated();
  machine_->send(std::move(message));
}

void ServerConnection::act(Result<AuthActions> actions, uint32_t sequence) {
  if (!actions) return machine_->fail_with(actions.error());
  // Channels must be open before the client can know that it is in.
  const bool was_in = login_done_;
  for (const AuthAction& action : *actions) {
    if (const auto* in = std::get_if<Authenticated>(&action)) enter(in->permit);
  }
  Instant last{0};
  for (AuthAction& action : *actions) {
    if (auto* message = std::get_if<SendMessage>(&action)) {
      last = message->not_before;
      send_not_before(last, std::move(message->message));
    } else if (std::holds_alternative<SendUnimplemented>(action)) {
      machine_->send(WireWriter().u8(kMsgUnimplemented).u32(sequence).take());
    } else if (const auto* asked = std::get_if<AskMonitor>(&action)) {
      asked_ = asked->id;
      gate_.ask(id_, asked->question);
    } else if (const auto* away = std::get_if<SendAway>(&action)) {
      return machine_->fail_with(away->error);
    }
  }
  // Behind the success. Cisco's old clients end at a global request.
  if (login_done_ && !was_in && !machine_->peer().software.starts_with("Cisco-1."))
    send_not_before(last, write_host_keys_request(*keys_, machine_->host_key_algorithms()));
}

}  // namespace sluice
