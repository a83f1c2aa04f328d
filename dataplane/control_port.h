// The two bounded rings between a worker and control: events up, commands down, and a wake-up for each side.
//
// Control's one thread calls the upper half, the worker the lower. Keys are prepared on control's thread, inside
// install_receive() and send_newkeys(); old epochs come back up to be dropped there. Messages of control are rare and
// small beside data, so they own their bytes; channel messages never pass here.
// What one side has to say goes into its ring at once; the other is woken once for all of it, and only when it sleeps.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/counter.h"
#include "base/error.h"
#include "base/ring.h"
#include "crypto_offload/key_epoch.h"
#include "dataplane/connection_sink.h"
#include "dataplane/packet_seen.h"
#include "dataplane/rekey_policy.h"
#include "dataplane/transport.h"

namespace sluice {

struct PortEvent {
  enum class Kind : uint8_t {
    line,         // before records: a line with its LF, or too much without one
    message,      // a message that is control's
    peer_turned,  // the peer's NEWKEYS was committed
    rekey_soon,   // prepare a key exchange
    rekey_due,
    drained,  // an old epoch, to be dropped
    note,     // the channels' side says something
    packet,   // for who debugs
    failed,   // the data path refused the peer: `error` says why
    ended,    // the peer closed, the network failed, or close() is done: the session is gone
  };
  Kind kind = Kind::ended;
  SessionId session = 0;
  uint32_t sequence = 0;
  ErrorCode error = ErrorCode::corrupt_record;
  std::vector<uint8_t> bytes;
  std::unique_ptr<KeyEpoch> epoch;
  SinkNote note;
  PacketSeen packet = {};
};

// What the worker lets control see of a session without a message. Shared, so that it may outlive either side's part.
struct Activity {
  // What one direction's keys were used for, for who asks; as of the session's last turn.
  struct Keys {
    Counter bytes;                     // since the connection began
    std::atomic<uint64_t> since{0};    // when the keys of now were installed, of the monotonic clock
    std::atomic<uint64_t> used{0};     // bytes under them
    std::atomic<uint64_t> records{0};  // likewise
  };
  std::atomic<uint64_t> messages{0};  // of the peer, verified
  Keys received, sent;
  std::atomic<uint64_t> moved_ns{0};  // when anything came or went
};

// A session between two workers.
struct MovingSession {
  virtual ~MovingSession() = default;
};

struct PortCommand {
  enum class Kind : uint8_t {
    adopt,           // a new connection, or a session that moves
    send_raw,        // bytes before records
    send,            // a message
    expect_newkeys,  // flag: strict
    install_receive,
    send_newkeys,   // flag: strict
    open_channels,  // channel messages go to the sink from now on
    note,           // to the sink
    close,          // after what was sent before it
  };
  Kind kind = Kind::close;
  SessionId session = 0;
  bool flag = false;
  RekeyLimits limits;
  std::vector<uint8_t> bytes;
  std::unique_ptr<KeyEpoch> epoch;
  std::unique_ptr<Transport> transport;
  std::unique_ptr<MovingSession> moving;
  std::shared_ptr<Activity> activity;
  std::unique_ptr<ConnectionSink> sink;
  SinkNote note;
};

inline constexpr size_t kPortDepth = 1024;

class ControlPort {
 public:
  explicit ControlPort(const DriverSet& drivers);
  ~ControlPort();
  ControlPort(const ControlPort&) = delete;
  ControlPort& operator=(const ControlPort&) = delete;

  // --- control's side
  std::shared_ptr<const Activity> adopt(SessionId session, std::unique_ptr<Transport> transport,
                                        const RekeyLimits& limits);
  // A session that will move here: commands for it wait from now on, and follow it.
  void await(SessionId session) { awaited_[session]; }
  void adopt_moving(SessionId session, std::unique_ptr<MovingSession> moving);
  // It will not come.
  void await_no_more(SessionId session) { awaited_.erase(session); }
  // Epochs made here keep their keys, to be prepared again elsewhere.
  void keep_keys() { keeps_keys_ = true; }
  const DriverSet& drivers() const { return drivers_; }
  void send_raw(SessionId session, std::vector<uint8_t> bytes);
  void send(SessionId session, std::vector<uint8_t> payload);
  void expect_newkeys(SessionId session, bool strict);
  ResultOrText<void> install_receive(SessionId session, const CipherSuite& suite, const KeyMaterial& keys);
  ResultOrText<void> send_newkeys(SessionId session, const CipherSuite& suite, const KeyMaterial& keys, bool strict);
  void open_channels(SessionId session, std::unique_ptr<ConnectionSink> sink);
  void tell_sink(SessionId session, SinkNote&& note);
  void close(SessionId session);
  std::optional<PortEvent> next_event() { return up_.pop(); }
  // Commands that found the ring full are kept in order and offered again here.
  void retry_commands();
  bool has_overflow() const { return !overflow_.empty(); }
  bool has_commands() const { return has_overflow() || !down_.empty(); }
  // For the commands since the last time.
  void wake_worker_for_commands();
  // Before waiting. False: there are events. Waking from the wait, for whatever reason, is said too.
  bool control_may_sleep() { return may_sleep(control_asleep_, up_); }
  void control_woke() { control_asleep_.store(false, std::memory_order_relaxed); }
  // Readable when there are events for a control that sleeps.
  int event_descriptor() const { return up_wake_; }

  // --- the worker's side
  std::optional<PortCommand> next_command() { return down_.pop(); }
  // False: full, the worker keeps the event and what caused it.
  bool post(PortEvent&& event);
  // For who debugs: lost where more than a quarter of the ring waits, so that nothing else ever waits for it.
  void post_packet(SessionId session, const PacketSeen& packet);
  void wake_control_for_events();
  bool worker_may_sleep() { return may_sleep(worker_asleep_, down_); }
  void worker_woke() { worker_asleep_.store(false, std::memory_order_relaxed); }
  int command_descriptor() const { return down_wake_; }
  void wake_worker() const;

 private:
  // Each side exchanges its word and then looks at the ring; the other fills the ring and then exchanges the word: one
  // of them sees what the other did.
  template <class R>
  static bool may_sleep(std::atomic<bool>& asleep, const R& ring) {
    asleep.exchange(true, std::memory_order_acq_rel);
    if (ring.empty()) return true;
    asleep.store(false, std::memory_order_relaxed);
    return false;
  }
  void push(PortCommand&& command);
  ResultOrText<void> push_keys(PortCommand::Kind kind, SessionId session, Direction direction, const CipherSuite& suite,
                               const KeyMaterial& keys, bool flag);

  const DriverSet& drivers_;
  Ring<PortEvent, kPortDepth> up_;
  Ring<PortCommand, kPortDepth> down_;
  std::deque<PortCommand> overflow_;
  std::unordered_map<SessionId, std::vector<PortCommand>> awaited_;
  bool keeps_keys_ = false;
  std::atomic<bool> worker_asleep_{false};
  std::atomic<bool> control_asleep_{false};
  bool pushed_ = false;  // control's
  bool posted_ = false;  // the worker's
  int up_wake_;
  int down_wake_;
};

}  // namespace sluice
