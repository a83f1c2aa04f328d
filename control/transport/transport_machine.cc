// Messages to states: identification, KEXINIT, and everything that is not the exchange itself.
#include "control/transport/transport_machine.h"

#include <algorithm>

#include "base/clock.h"
#include "base/debug_words.h"
#include "base/message_numbers.h"
#include "base/random.h"
#include "base/wire.h"
#include "control/keys/key_type.h"
#include "control/transport/transport_debug.h"

namespace sluice {
namespace {

constexpr size_t kCookieBytes = 16;
// Kept of what a peer says when it leaves.
constexpr size_t kMaxClosingText = 256;
// Of why we refuse: both sides' offers as they usually are.
constexpr size_t kMaxRefusalText = 2048;
constexpr uint32_t kMaxExtensions = 64;  // RFC 8308 names four; a stranger's list is no longer

void move_to_front(NameList& names, std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) std::rotate(names.begin(), found, found + 1);
}

template <class Rows, class Name>
NameList default_names(const Rows& rows, Name name) {
  NameList out;
  for (const auto& row : rows) {
    if (row.on_by_default) out.emplace_back(name(row));
  }
  return out;
}

}  // namespace

TransportConfig default_transport_config(Role role) {
  TransportConfig config;
  config.role = role;
  config.kex = default_names(kex_methods(), [](const KexMethod& m) { return m.name; });
  config.ciphers = default_names(cipher_rows(), [](const CipherRow& c) { return c.ssh_name; });
  config.macs = default_names(mac_rows(), [](const MacRow& m) { return m.ssh_name; });
  config.signature_algorithms =
      default_names(all_signature_algorithms(), [](const SignatureAlgorithm& a) { return a.name; });
  if (role == Role::client) config.host_keys = config.signature_algorithms;
  return config;
}

TransportMachine::TransportMachine(const TransportConfig& config, const Surroundings& around)
    : config_(config),
      around_(around),
      identification_(config.role),
      own_identification_(sluice::own_identification(config.software)) {
  if (!is_server()) return;
  // Allowed ones whose key is there; our order where one was given.
  const NameList present = around_.host_keys->algorithms();
  if (config_.host_keys.empty()) config_.host_keys = present;
  std::erase_if(config_.host_keys, [&](const std::string& name) {
    return std::find(present.begin(), present.end(), name) == present.end();
  });
}

TransportMachine::~TransportMachine() { *alive_ = false; }

void TransportMachine::start() {
  around_.port.send_line(own_identification_);
  tell(kDebugDetail, "sent protocol version id ", own_identification_);
}

size_t TransportMachine::take_bytes(Bytes received) {
  if (closed_) return received.size();
  auto answer = identification_.take(received);
  if (answer.kind == IdentificationReader::Kind::refused) {
    // RFC 4253 section 4.2 has no message for it yet: a line that a person can read, then the end.
    around_.port.send_line(answer.text);
    refuse(Disconnect::version_not_supported, answer.text);
  } else if (answer.kind == IdentificationReader::Kind::found) {
    phase_ = TransportPhase::first_init;
    tell(kDebugDetail, "protocol version id is - ", identification_.peer().line);
    send_init();
  }
  return answer.consumed;
}

void TransportMachine::refuse(Disconnect code, const std::string& text) {
  if (closed_) return;
  closed_ = true;
  // Lists that a stranger sent may be in it, and it goes into logs.
  closing_ = Closing{false, code, text.substr(0, kMaxRefusalText)};
  around_.port.close(code, text);
}

void TransportMachine::close(Disconnect code, std::string_view text) { refuse(code, std::string(text)); }

void TransportMachine::fail_with(ErrorCode error) {
  if (closed_) return;
  const ErrorRow& row = describe(error);
  refuse(row.disconnect, std::string(row.text));
  closing_->error = error;
}

void TransportMachine::take_message(Bytes payload, uint32_t sequence) {
  if (closed_ || payload.empty() || !phase_) return;
  const uint8_t number = payload[0];
  const Role peer = is_server() ? Role::client : Role::server;
  if (debugging(kDebugDetail))
    for (const std::string& line : lines_of_received(payload)) tell(kDebugDetail, line);
  const bool rekeying = std::holds_alternative<Exchanging>(kex_) || std::holds_alternative<Turning>(kex_);
  const bool both_inits_sent = rekeying && *phase_ >= TransportPhase::keyed;
  switch (judge_message(*phase_, peer, both_inits_sent, number)) {
    case Verdict::take: break;
    case Verdict::unimplemented: return send(WireWriter().u8(kMsgUnimplemented).u32(sequence).take());
    case Verdict::unexpected:
      return refuse(Disconnect::protocol_error, "Message " + std::to_string(number) + " is not allowed at this point");
  }
  if (number != kMsgExtInfo && number > kMsgDebug) ext_info_allowed_ = false;
  if (number == kMsgKexInit) return take_init(payload, sequence);
  if (is_kex_method_message(number)) return take_method_message(payload);
  switch (number) {
    case kMsgDisconnect: return take_disconnect(payload);
    case kMsgIgnore:
    case kMsgUnimplemented:
    case kMsgDebug:
    case kMsgPong: return;
    case kMsgServiceRequest:
    case kMsgServiceAccept: return take_service(payload);
    case kMsgExtInfo: return take_ext_info(payload);
    case kMsgPing: {
      // A record may be longer than what we send: its echo would not fit one of ours.
      if (payload.size() > kMaxPayload) return fail_with(ErrorCode::malformed_message);
      // OpenSSH's PROTOCOL: the answer is the same bytes under the next number.
      std::vector<uint8_t> pong(payload.begin(), payload.end());
      pong[0] = kMsgPong;
      return send(std::move(pong));
    }
    default: break;
  }
  if (*phase_ == TransportPhase::connected && number == kMsgUserauthRequest) return;
  if (!around_.upper.on_message(payload, sequence) && !closed_) {
    send(WireWriter().u8(kMsgUnimplemented).u32(sequence).take());
  }
}

std::vector<uint8_t> TransportMachine::make_init(bool guessing) const {
  KexInit init;
  init[KexList::kex] = config_.kex;
  if (exchanges_ == 0) {
    init[KexList::kex].emplace_back(is_server() ? kExtInfoServer : kExtInfoClient);
    init[KexList::kex].emplace_back(is_server() ? kStrictServer : kStrictClient);
  }
  init[KexList::host_key] = config_.host_keys;
  if (guessing) {
    move_to_front(init[KexList::kex], negotiated_.method->name);
    move_to_front(init[KexList::host_key], negotiated_.host_key_algorithm);
    init.first_packet_follows = true;
  }
  init[KexList::cipher_client_to_server] = init[KexList::cipher_server_to_client] = config_.ciphers;
  init[KexList::mac_client_to_server] = init[KexList::mac_server_to_client] = config_.macs;
  init[KexList::compression_client_to_server] = init[KexList::compression_server_to_client] = {"none"};
  std::array<uint8_t, kCookieBytes> cookie;
  fill_random(cookie);
  return write_kexinit(init, cookie);
}

void TransportMachine::send_init() {
  const bool guessing = may_guess();
  InitSent state{make_init(guessing), guessing ? std::exchange(prepared_, nullptr)->client : nullptr};
  if (debugging(kDebugDetail))
    for (const std::string& line : lines_of_sent(state.own)) tell(kDebugDetail, line);
  put(state.own);
  if (guessing) {
    // From our first method message on the peer may send NEWKEYS.
    around_.port.expect_newkeys(strict_);
    put(state.guess->open());
  }
  kex_ = std::move(state);
  exchange_began_ns_ = monotonic_clock().now_ns();
  tell(kDebugDetail, "SSH2_MSG_KEXINIT sent");
}

// RFC 4253 section 7.1: a guess is right when both sides' lists begin alike. Only where nothing is left to compute, and
// only with a server that makes something of it: Dropbear 2022.83 takes some right ones for wrong, and waits.
bool TransportMachine::may_guess() const {
  return !is_server() && exchanges_ > 0 && peer_prefers_agreed_ && prepared_ && prepared_->ready &&
         prepared_->method == negotiated_.method && identification_.peer().software.starts_with(kOurSoftware);
}

void TransportMachine::show_init() {
  auto* exchange = std::get_if<Exchanging>(&kex_);
  if (!closed_ && exchange != nullptr && std::exchange(exchange->own_held, false)) put(exchange->own);
}

void TransportMachine::take_init(Bytes payload, uint32_t sequence) {
  tell(kDebugDetail, "SSH2_MSG_KEXINIT received");
  const bool ours_is_out = !std::holds_alternative<NoKex>(kex_);
  const bool hold = is_server() && !ours_is_out && authenticated();
  if (hold) {
    kex_ = InitSent{make_init(false), nullptr};
    exchange_began_ns_ = monotonic_clock().now_ns();
  } else if (!ours_is_out) {
    send_init();
  }
  auto* sent = std::get_if<InitSent>(&kex_);
  if (sent == nullptr) return refuse(Disconnect::protocol_error, "KEXINIT in the middle of a key exchange");
  begin_exchange(std::move(*sent), hold, payload, sequence);
}

void TransportMachine::rekey() {
  if (closed_ || !phase_ || *phase_ < TransportPhase::keyed || in_kex()) return;
  rekey_wanted_ = !authenticated();
  if (!rekey_wanted_) send_init();
}

// It may be a password: whoever has a payload last wipes it.
void TransportMachine::send(std::vector<uint8_t> payload) {
  if (debugging(kDebugDetail))
    for (const std::string& line : lines_of_sent(payload)) tell(kDebugDetail, line);
  if (closed_) return wipe(payload.data(), payload.size());
  // RFC 4253 section 7.1: between our KEXINIT and our NEWKEYS only transport and method messages may go.
  const auto* exchange = std::get_if<Exchanging>(&kex_);
  const bool ours_is_out = std::holds_alternative<InitSent>(kex_) || (exchange != nullptr && !exchange->own_held);
  const bool waits =
      ours_is_out && (payload[0] > kMsgKexLast || payload[0] == kMsgServiceRequest || payload[0] == kMsgServiceAccept);
  if (!waits) {
    const bool success = payload[0] == kMsgUserauthSuccess;
    put(std::move(payload));
    if (success && rekey_wanted_) rekey();
    return;
  }
  waiting_bytes_ += payload.size();
  if (waiting_.size() == kMaxWaitingMessages || waiting_bytes_ > kMaxWaitingBytes)
    return refuse(Disconnect::protocol_error, "Too many messages wait for a key exchange");
  waiting_.push_back(std::move(payload));
}

void TransportMachine::put(std::vector<uint8_t> payload) {
  if (debugging(kDebugPackets)) tell_sending(payload.size());
  around_.port.send(std::move(payload));
}

void TransportMachine::tell_sending(size_t payload_bytes) {
  for (const DebugLine& line : lines_of_sending(payload_bytes, *sending_)) tell(line.kind, line.text);
}

void TransportMachine::tell_packet(const PacketSeen& packet) {
  for (const DebugLine& line : lines_of_packet(packet)) tell(line.kind, line.text);
}

void TransportMachine::release_waiting() {
  while (!waiting_.empty() && !closed_) {
    waiting_bytes_ -= waiting_.front().size();
    put(std::move(waiting_.front()));
    waiting_.pop_front();
  }
}

void TransportMachine::request_service(std::string_view name) {
  requested_service_ = name;
  send(WireWriter().u8(kMsgServiceRequest).string(name).take());
}

void TransportMachine::take_service(Bytes payload) {
  WireReader reader(payload);
  reader.u8();
  const std::string name(reader.text());
  if (!reader.ok() || !reader.at_end() || name.size() > kMaxNameLength) {
    return fail_with(ErrorCode::malformed_message);
  }
  const bool expected = is_server() || (!requested_service_.empty() && name == requested_service_);
  if (!expected || !around_.upper.on_service(name)) {
    return refuse(Disconnect::service_not_available, "Service " + name + " is not available");
  }
  phase_ = TransportPhase::authenticating;
  if (is_server()) send(WireWriter().u8(kMsgServiceAccept).string(name).take());
}

void TransportMachine::set_authenticated() {
  phase_ = TransportPhase::connected;
  // A server's success is yet to go.
  if (!is_server() && rekey_wanted_) rekey();
}

// RFC 8308 section 2.4: right behind the first NEWKEYS, or from a server right before USERAUTH_SUCCESS.
void TransportMachine::take_ext_info(Bytes payload) {
  if (!ext_info_allowed_ && !(*phase_ == TransportPhase::authenticating && !is_server())) {
    return refuse(Disconnect::protocol_error, "EXT_INFO is not allowed at this point");
  }
  ext_info_allowed_ = false;
  WireReader reader(payload);
  reader.u8();
  const uint32_t count = reader.u32();
  if (count > kMaxExtensions) return fail_with(ErrorCode::malformed_message);
  for (uint32_t i = 0; i < count && reader.ok(); ++i) {
    const std::string name(reader.text());
    const Bytes value = reader.string();
    if (reader.ok()) around_.upper.on_ext_info(name, value);
  }
  if (!reader.ok() || !reader.at_end()) fail_with(ErrorCode::malformed_message);
}

void TransportMachine::send_ext_info() {
  WireWriter writer;
  writer.u8(kMsgExtInfo).u32(is_server() ? 2 : 1);
  if (is_server()) writer.string("server-sig-algs").string(join_names(config_.signature_algorithms));
  writer.string("ping@openssh.com").string("0");
  put(writer.take());
}

void TransportMachine::take_disconnect(Bytes payload) {
  WireReader reader(payload);
  reader.u8();
  const uint32_t reason = reader.u32();
  const std::string text(reader.text());
  closed_ = true;
  closing_ = Closing{true, static_cast<Disconnect>(reason), text.substr(0, kMaxClosingText)};
  around_.upper.on_disconnect(reason, reader.ok() ? std::string_view(text) : std::string_view());
  around_.port.close(Disconnect::by_application, "");
}

}  // namespace sluice
