// A connection in its worker: both paths over one transport, the messages' way to control or to channels, the keys'
// turns, and the gate that keeps data back while keys are exchanged.
//
// Before records: lines go up until one starts with "SSH-". Invariant: after a failure nothing more of the peer is
// looked at; what control sends as a farewell still goes out, then the session ends.
#pragma once

#include <deque>
#include <memory>

#include "dataplane/connection_sink.h"
#include "dataplane/control_port.h"

namespace sluice {

// Control's messages that wait for room. A peer that makes us answer and never reads is cut off here.
inline constexpr size_t kMaxOutboxBytes = size_t{1} << 20;
// A longer line before records is no identification; control refuses it.
inline constexpr size_t kMaxLineBytes = 1024;
// How long a farewell may take to leave: a peer that does not read must not keep its session.
inline constexpr uint64_t kFarewellNs = uint64_t{3} * 1000000000u;

class Session final : public MovingSession, private ChannelSender {
 public:
  Session(SessionId id, std::unique_ptr<Transport> transport, RecordPool& pool, WatchList& watches,
          const RekeyLimits& limits, std::shared_ptr<Activity> activity);
  ~Session() override;

  SessionId id() const { return id_; }
  Transport& transport() { return *transport_; }

  void take_command(PortCommand&& command);

  // The steps of a worker's turn, each for all its sessions before the next.
  void receive();
  void frame(ControlPort& port, Dispatch& dispatch);
  void deliver(ControlPort& port);
  void send(ControlPort& port, Dispatch& dispatch, uint64_t now_ns);
  void commit(ControlPort& port);

  // For a session that has been idle for a while: what it would hold in memory for nothing.
  void give_memory_back();
  // Whether anything has moved since this was last asked.
  bool take_moved() { return std::exchange(moved_, false); }
  // How many bytes the transport has taken in and passed on since this was last asked.
  uint64_t take_moved_bytes() { return std::exchange(moved_bytes_, 0); }
  // By its age alone, without a turn, this session has something to do.
  bool due(uint64_t now_ns) const;
  // Nothing in flight, and either closed with everything sent or cut off: the worker drops it.
  bool over(uint64_t now_ns);
  // What its services say at their end is told before the session's. False: not all of it found room yet.
  bool dismiss_sink(ControlPort& port);
  // Nothing under way in this worker, so that another may have it.
  bool may_move() const;
  ResultOrText<void> move_to(const DriverSet& drivers);
  void move_to(RecordPool& pool, WatchList& watches);
  // For a worker that stops: false when everything that has a number is with the dispatch.
  bool hand_over(Dispatch& dispatch);
  bool busy() const;
  bool has_channels() const { return sink_ != nullptr; }
  // Keys are being exchanged: what comes next is control's or the peer's, a round trip away.
  bool turning() const { return kex_gate_ || peer_in_kex_ || newkeys_expected_ || receive_.parked(); }
  // Records are with a device: only polling brings them back.
  bool in_flight() const { return receive_.in_flight() > 0 || send_.in_flight() > 0; }

 private:
  struct Outgoing {
    std::vector<uint8_t> payload;
    std::unique_ptr<KeyEpoch> epoch;  // NEWKEYS only
    bool strict = false;
  };

  void read_lines(ControlPort& port);
  size_t route(std::span<const Message> messages, ControlPort& port);
  bool take_newkeys(const Message& message, ControlPort& port);
  bool post(ControlPort& port, PortEvent::Kind kind, Bytes bytes = {}, uint32_t sequence = 0);
  // True when NEWKEYS was among it.
  bool drain_outbox();
  void ask_rekey_policy(ControlPort& port, uint64_t now_ns);
  void return_epochs(ControlPort& port);
  void cut(ErrorCode error);
  void post_notes(ControlPort& port);
  void tell_packet(const Message& message, ControlPort& port) const;
  bool rekey_due(const RekeyLimits& sent, const RekeyLimits& received, uint64_t now_ns) const;
  void publish(uint64_t now_ns);

  std::optional<Draft> reserve(size_t payload_bytes) override;
  void finish(const Draft& draft, size_t payload_bytes) override { send_.finish(draft, payload_bytes); }
  void fail(ErrorCode error) override { cut(error); }
  void tell_control(SinkNote&& note) override {
    if (!note.may_be_lost || notes_.size() < kMostLosable) notes_.push_back(std::move(note));
  }
  bool watch(int descriptor, Watcher& watcher) override { return watches_->watch(descriptor, id_, watcher); }
  void unwatch(int descriptor) override { watches_->unwatch(descriptor); }
  void ask_turn() override { asked_turn_ = true; }

  // Notes that wait, beyond which those that may be lost are.
  static constexpr size_t kMostLosable = 64;

  SessionId id_;
  std::unique_ptr<Transport> transport_;
  ReceivePath receive_;
  SendPath send_;
  RekeyLimits limits_;
  RekeyLimits receive_limits_;
  RekeyLimits soon_;
  std::shared_ptr<Activity> activity_;
  WatchList* watches_;
  // That control's ring had no room for; outlives the sink, whose services may say a last word.
  std::deque<SinkNote> notes_;
  std::unique_ptr<ConnectionSink> sink_;
  std::deque<Outgoing> outbox_;
  size_t outbox_bytes_ = 0;
  std::array<Message, 32> shown_;  // collected, [routed_, shown_count_) not yet taken by anyone
  size_t shown_count_ = 0;
  size_t routed_ = 0;
  uint64_t moved_bytes_ = 0;
  bool moved_ = false;
  bool asked_turn_ = false;
  bool records_ = false;      // the peer's identification line has passed
  bool kex_gate_ = false;     // between our KEXINIT and our NEWKEYS
  bool peer_in_kex_ = false;  // between the peer's KEXINIT and its NEWKEYS
  bool newkeys_expected_ = false;
  bool newkeys_strict_ = false;
  bool told_soon_ = false;
  bool told_due_ = false;
  bool lines_starved_ = false;
  bool closing_ = false;
  uint64_t closing_since_ns_ = 0;
  std::optional<ErrorCode> error_;
  bool error_told_ = false;
};

}  // namespace sluice
