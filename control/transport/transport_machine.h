// One connection's transport protocol, RFC 4253, in either role: identification, key exchange, rekeying, and the
// messages around them.
//
// States of key exchange, each a type: NoKex -> InitSent (ours is out) -> Exchanging (both are) -> Turning (our NEWKEYS
// is out, the peer's has not come) -> NoKex. A step consumes one and leaves the next. What the layer above sends during
// an exchange waits, bounded, and follows our NEWKEYS.
//
// A client that knows how a rekey with a server of ours will be agreed on sends its first method message right behind
// its KEXINIT (first_kex_packet_follows). A server that has both before its own KEXINIT went keeps that back until the
// reply is signed, so that its data stops for three messages instead of a round trip: docs/adr/0010.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <variant>

#include "base/debug.h"
#include "control/keys/public_key.h"
#include "control/transport/identification.h"
#include "control/transport/message_sets.h"
#include "control/transport/negotiation.h"
#include "control/transport/transport_port.h"
#include "dataplane/control_port.h"

namespace sluice {

// How the software version of every end of ours begins.
inline constexpr std::string_view kOurSoftware = "Sluice_";

struct TransportConfig {
  Role role = Role::server;
  std::string software = "Sluice_0.1";
  NameList kex;
  NameList host_keys;  // that are accepted; on a server of those that HostKeySigner has, and empty means all
  NameList ciphers;
  NameList macs;
  NameList signature_algorithms;  // the server's server-sig-algs
  KeyLimits host_key_limits;      // on a client, of the key that is shown
  KexOptions kex_options;
};

// Everything that is on by default, in our order of preference.
TransportConfig default_transport_config(Role role);

// How a connection was closed, where somebody said so.
struct Closing {
  bool by_peer;
  Disconnect code;
  std::string text;
  std::optional<ErrorCode> error = {};  // where it was one of the table
};

// Messages of the layer above that wait while keys are exchanged. A peer that stops in mid-exchange holds no more.
inline constexpr size_t kMaxWaitingMessages = 256;
// The answers to pings are as long as the peer made these.
inline constexpr size_t kMaxWaitingBytes = size_t{1} << 20;

class TransportMachine {
 public:
  struct Surroundings {
    TransportPort& port;
    SlowWork& slow;
    HostKeySigner* host_keys;  // server
    HostKeyJudge* judge;       // client
    UpperLayer& upper;
  };

  TransportMachine(const TransportConfig& config, const Surroundings& around);
  ~TransportMachine();

  void start();
  // Until identified(): raw bytes; returns how many are done with.
  size_t take_bytes(Bytes received);
  bool identified() const { return phase_.has_value(); }
  void take_message(Bytes payload, uint32_t sequence);
  // For who debugs packets: in front of the message that came in it, behind one that went.
  void tell_packet(const PacketSeen& packet);
  // The data path has seen the peer's NEWKEYS and turned.
  void peer_turned();
  void fail_with(ErrorCode error);

  // Starts a rekey unless one is under way. During a login it waits: OpenSSH, either end, takes no KEXINIT there.
  void rekey();
  // Makes the next exchange's ephemeral keys ahead of its time, unless they are there.
  void prepare_rekey();
  bool in_kex() const { return !std::holds_alternative<NoKex>(kex_); }
  // Of the exchange the peer's step is next: nothing of ours is being computed, signed or judged.
  bool waits_for_peer() const;
  // Whoever announced a guess and does not send it has had time: the exchange goes on without it.
  void guess_is_overdue() { show_init(); }

  // For the layer above.
  void send(std::vector<uint8_t> payload);
  void request_service(std::string_view name);
  void set_authenticated();
  void close(Disconnect code, std::string_view text);

  // That may be agreed on.
  const NameList& host_key_algorithms() const { return config_.host_keys; }
  Bytes session_id() const { return session_id_; }
  const Negotiated& negotiated() const { return negotiated_; }
  const Identification& peer() const { return identification_.peer(); }
  // Its last line before it was identified.
  const std::string& peer_said() const { return identification_.said(); }
  bool strict() const { return strict_; }
  uint64_t exchanges() const { return exchanges_; }
  // From the first KEXINIT of the last exchange to its end.
  uint64_t exchange_ns() const { return exchange_ns_; }
  bool closed() const { return closed_; }
  bool authenticated() const { return phase_ == TransportPhase::connected; }
  // Nothing when the peer just went away.
  const std::optional<Closing>& closing() const { return closing_; }

 private:
  struct NoKex {};
  struct InitSent {
    std::vector<uint8_t> own;
    std::shared_ptr<KexClient> guess;  // whose first message went behind it
  };
  struct Exchanging {
    std::vector<uint8_t> own;
    std::vector<uint8_t> peer;
    Negotiated agreed;
    std::shared_ptr<KexClient> client;
    std::shared_ptr<KexServer> server;
    bool own_held = false;     // server: our KEXINIT has not gone yet, so everything else may
    bool ignore_next = false;  // a wrong guess
    bool busy = false;         // arithmetic or a signature is under way
    bool reply_taken = false;  // client: the server's reply is being checked, so its NEWKEYS may come
    bool peer_turned = false;  // and it did, before we were done
  };
  struct Turning {};
  // The next exchange's side of us, its ephemeral keys made ahead. Another thread has it until it is ready.
  struct Prepared {
    const KexMethod* method = nullptr;
    std::shared_ptr<KexClient> client;
    std::shared_ptr<KexServer> server;
    bool ready = false;
  };
  struct Outcome;

  bool is_server() const { return config_.role == Role::server; }
  // For who debugs. A line is made only for somebody.
  template <class... Parts>
  void tell(uint32_t kind, const Parts&... parts) {
    if (!debugging(kind)) return;
    std::string line;
    (line.append(parts), ...);
    around_.upper.on_debug(kind, line);
  }
  void refuse(Disconnect code, const std::string& text);
  std::vector<uint8_t> make_init(bool guessing) const;
  void send_init();
  // Sends our KEXINIT if it was held.
  void show_init();
  bool may_guess() const;
  void tell_agreed(const Negotiated& agreed);
  // To the data path.
  void put(std::vector<uint8_t> payload);
  void tell_sending(size_t payload_bytes);
  void take_init(Bytes payload, uint32_t sequence);
  // `own_held`: what is sent of ours is not sent yet.
  void begin_exchange(InitSent sent, bool own_held, Bytes peer, uint32_t sequence);
  void open_as_client(Exchanging& exchange, bool ready);
  void take_method_message(Bytes payload);
  void step(std::vector<uint8_t> payload);
  void finish_step(const std::shared_ptr<Outcome>& outcome);
  void answer_as_server(const std::shared_ptr<Outcome>& outcome);
  void check_as_client(const std::shared_ptr<Outcome>& outcome);
  void turn(const std::shared_ptr<Outcome>& outcome);
  void end_exchange();
  void release_waiting();
  void send_ext_info();
  void take_ext_info(Bytes payload);
  void take_service(Bytes payload);
  void take_disconnect(Bytes payload);
  void run_slow(const KexMethod& method, std::function<void()> work, std::function<void()> then);
  // Here and now where two thread switches would cost the data path more than the work costs this thread.
  void run_step(const KexMethod& method, std::function<void()> work, std::function<void()> then);
  bool may_run_here(const KexMethod& method) const;
  void run_ahead(const KexMethod& method, const std::function<void()>& work, const std::function<void()>& then);
  // Wraps a continuation so that it does nothing once the machine is gone or closed.
  template <class F>
  auto guarded(F f);

  TransportConfig config_;
  Surroundings around_;
  IdentificationReader identification_;
  std::string own_identification_;
  std::optional<TransportPhase> phase_;  // none before the peer is identified
  std::variant<NoKex, InitSent, Exchanging, Turning> kex_;
  std::shared_ptr<Prepared> prepared_;
  bool preparing_ = false;  // the pool has it, or one whose exchange did not wait for it
  Negotiated negotiated_;
  const CipherSuite* sending_ = &plain_suite();
  std::vector<uint8_t> session_id_;
  std::deque<std::vector<uint8_t>> waiting_;
  size_t waiting_bytes_ = 0;
  std::string requested_service_;
  uint64_t exchanges_ = 0;
  uint64_t exchange_began_ns_ = 0;
  uint64_t exchange_ns_ = 0;
  bool strict_ = false;
  bool peer_prefers_agreed_ = false;  // its lists began with what was agreed on: a guess would be right
  bool rekey_wanted_ = false;
  bool ext_info_due_ = false;
  bool ext_info_allowed_ = false;
  bool closed_ = false;
  std::optional<Closing> closing_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sluice
