// Commands in, turns, routing.
#include "dataplane/session.h"

#include <algorithm>

#include "base/debug_words.h"
#include "base/message_numbers.h"

namespace sluice {
namespace {

// What an entry costs beside its bytes: an UNIMPLEMENTED is five bytes of payload and much more of memory.
constexpr size_t kOutboxEntry = 128;

// How much sooner the side that receives a volume asks for new keys, at most: as much as may be on its way.
constexpr uint64_t kReceiverLeadBytes = uint64_t{4} << 20;

// Long enough before the limits to have keys made.
RekeyLimits soon_before(const RekeyLimits& limits) {
  return {limits.volume_bytes / 4 * 3, limits.time_ns / 8 * 7, limits.records / 8 * 7};
}

// Whoever receives the bulk begins the rekey, a little before the sender would: its KEXINIT overtakes the data, which
// goes on until the sender answers. What the sender asks for is asked for behind all the data that it has sent.
RekeyLimits receiver_limits(const RekeyLimits& limits) {
  return {limits.volume_bytes - std::min(limits.volume_bytes / 8, kReceiverLeadBytes), limits.time_ns, limits.records};
}

RekeyAdvice advice_for(const KeyEpoch& epoch, const RekeyLimits& limits, uint64_t now_ns) {
  const uint64_t age = now_ns > epoch.installed_at_ns() ? now_ns - epoch.installed_at_ns() : 0;
  return rekey_advice(epoch.suite(), {epoch.bytes(), epoch.records(), age}, limits);
}

}  // namespace

Session::Session(SessionId id, std::unique_ptr<Transport> transport, RecordPool& pool, WatchList& watches,
                 const RekeyLimits& limits, std::shared_ptr<Activity> activity)
    : id_(id),
      transport_(std::move(transport)),
      receive_(*transport_, pool),
      send_(*transport_, pool),
      limits_(limits),
      receive_limits_(receiver_limits(limits)),
      soon_(soon_before(limits)),
      activity_(std::move(activity)),
      watches_(&watches) {}

// The sink may still talk to its session while it goes.
Session::~Session() { sink_.reset(); }

void Session::take_command(PortCommand&& command) {
  moved_ = true;
  switch (command.kind) {
    case PortCommand::Kind::adopt: return;
    case PortCommand::Kind::send_raw: {
      SendRing& ring = transport_->send_ring();
      // Lines precede all records, so there is nothing in the ring that they could not follow.
      if (uint8_t* place = ring.reserve(command.bytes.size())) {
        std::copy(command.bytes.begin(), command.bytes.end(), place);
        ring.commit(command.bytes.size(), place, command.bytes.size());
      }
      return;
    }
    case PortCommand::Kind::send:
      if (command.bytes.empty() || command.bytes.size() > kMaxPayload) return cut(ErrorCode::malformed_message);
      outbox_bytes_ += command.bytes.size() + kOutboxEntry;
      outbox_.push_back({std::move(command.bytes), nullptr, false});
      if (outbox_bytes_ > kMaxOutboxBytes) cut(ErrorCode::peer_does_not_read);
      return;
    case PortCommand::Kind::send_newkeys:
      outbox_.push_back({{kMsgNewKeys}, std::move(command.epoch), command.flag});
      outbox_bytes_ += 1 + kOutboxEntry;
      return;
    case PortCommand::Kind::expect_newkeys:
      newkeys_expected_ = true;
      newkeys_strict_ = command.flag;
      receive_.expect_newkeys(true);
      return;
    case PortCommand::Kind::install_receive: receive_.install(std::move(command.epoch)); return;
    case PortCommand::Kind::open_channels:
      sink_ = std::move(command.sink);
      sink_->attach(*this);
      return;
    case PortCommand::Kind::note:
      if (sink_) sink_->on_note(std::move(command.note));
      return;
    case PortCommand::Kind::close: closing_ = true; return;
  }
}

void Session::receive() {
  const size_t before = transport_->available();
  const bool was_ended = transport_->ended();
  transport_->receive();
  moved_bytes_ += transport_->available() - before;
  moved_ |= transport_->available() != before || transport_->ended() != was_ended;
}

void Session::frame(ControlPort& port, Dispatch& dispatch) {
  if (error_ || closing_) return receive_.hand_over(dispatch);
  if (!records_) read_lines(port);
  if (records_) receive_.frame(dispatch);
}

void Session::read_lines(ControlPort& port) {
  while (!records_) {
    std::array<uint8_t, kMaxLineBytes> line;
    std::array<MutableBytes, 16> pieces;
    const size_t count = transport_->peek(0, pieces);
    size_t n = 0;
    bool whole = false;
    for (size_t i = 0; i < count && !whole; ++i) {
      for (size_t at = 0; at < pieces[i].size() && n < line.size() && !whole; ++at) {
        line[n++] = pieces[i][at];
        whole = line[n - 1] == '\n';
      }
    }
    lines_starved_ = !whole && n < line.size();
    if (lines_starved_) return;
    if (!post(port, PortEvent::Kind::line, Bytes(line).first(n))) return;
    transport_->release(n);
    records_ = n >= 4 && std::memcmp(line.data(), "SSH-", 4) == 0;
  }
}

void Session::deliver(ControlPort& port) {
  for (;;) {
    if (error_ || closing_) break;
    if (routed_ == shown_count_) {
      shown_count_ = receive_.collect(shown_);
      routed_ = 0;
      if (shown_count_ == 0) break;
      // One writer: no read-modify-write that the cores would have to agree on.
      const uint64_t before = activity_->messages.load(std::memory_order_relaxed);
      activity_->messages.store(before + shown_count_, std::memory_order_relaxed);
    }
    const size_t taken = route({shown_.data() + routed_, shown_count_ - routed_}, port);
    if (taken == 0) break;
    routed_ += taken;
    moved_ = true;
  }
  if (!error_ && receive_.error() && routed_ == shown_count_) cut(*receive_.error());
  const bool nothing_left = transport_->ended() && records_ && receive_.starved() && receive_.in_work() == 0;
  if (nothing_left && transport_->available() > 0) cut(ErrorCode::truncated_stream);
  return_epochs(port);
  if (!notes_.empty()) post_notes(port);
}

void Session::post_notes(ControlPort& port) {
  while (!notes_.empty()) {
    PortEvent event;
    event.kind = PortEvent::Kind::note;
    event.session = id_;
    event.note = std::move(notes_.front());
    if (!port.post(std::move(event))) {
      notes_.front() = std::move(event.note);
      return;
    }
    notes_.pop_front();
  }
}

// Returns how many messages found their taker; those are released.
size_t Session::route(std::span<const Message> messages, ControlPort& port) {
  const Message& first = messages.front();
  if (first.number() == kMsgNewKeys) return take_newkeys(first, port) ? 1 : 0;
  size_t taken = 0;
  if (sink_ && is_channel_message(first.number())) {
    // RFC 4253 section 7.1 forbids data between a side's KEXINIT and its NEWKEYS. Some peers (AsyncSSH 2.10) send what
    // they had begun; the keys are still good, so it is taken, as OpenSSH takes it.
    size_t run = 1;
    while (run < messages.size() && is_channel_message(messages[run].number())) ++run;
    taken = sink_->on_messages(messages.first(run), *this);
    // Their measures stay: what services change of them is what lies in them.
    if (debugging(kDebugPackets))
      for (const Message& message : messages.first(taken)) tell_packet(message, port);
  } else {
    if (debugging(kDebugPackets)) tell_packet(first, port);
    if (sink_ && first.number() == kMsgGlobalRequest) sink_->hear_global_request(first.payload);
    if (!post(port, PortEvent::Kind::message, first.payload, first.sequence)) return 0;
    if (first.number() == kMsgKexInit) peer_in_kex_ = true;
    // There may be a password in it, and this memory is not written again before much more has come.
    if (is_userauth_message(first.number())) wipe(first.payload.data(), first.payload.size());
    taken = 1;
  }
  receive_.release(taken);
  return taken;
}

bool Session::take_newkeys(const Message& message, ControlPort& port) {
  if (!newkeys_expected_ || message.payload.size() != 1) return cut(ErrorCode::unexpected_message), false;
  if (debugging(kDebugPackets)) tell_packet(message, port);
  if (!post(port, PortEvent::Kind::peer_turned)) return false;
  receive_.release(1);
  // A record behind NEWKEYS that was framed before we could expect one was sealed with no valid key.
  if (receive_.in_work() > 0) return cut(ErrorCode::unexpected_message), false;
  receive_.turn_keys(newkeys_strict_);
  receive_.expect_newkeys(false);
  newkeys_expected_ = peer_in_kex_ = false;
  told_soon_ = told_due_ = false;
  return true;
}

void Session::tell_packet(const Message& message, ControlPort& port) const {
  const auto payload = static_cast<uint32_t>(message.payload.size());
  port.post_packet(id_,
                   {&receive_.epoch().suite(), message.sequence, payload, message.padding, message.number(), false});
}

bool Session::post(ControlPort& port, PortEvent::Kind kind, Bytes bytes, uint32_t sequence) {
  PortEvent event;
  event.kind = kind;
  event.session = id_;
  event.sequence = sequence;
  event.bytes.assign(bytes.begin(), bytes.end());
  return port.post(std::move(event));
}

void Session::send(ControlPort& port, Dispatch& dispatch, uint64_t now_ns) {
  // The peer's next step in a key exchange waits for these: they leave before the data that NEWKEYS lets through.
  if (!drain_outbox() && sink_ && !error_ && !closing_) {
    asked_turn_ = false;
    sink_->on_turn(*this);
  }
  if (!notes_.empty()) post_notes(port);
  if (send_.error()) return;
  send_.stage(dispatch, now_ns, limits_);
  if (send_.has_seen())
    for (const PacketSeen& packet : send_.take_seen()) port.post_packet(id_, packet);
  if (send_.error()) cut(*send_.error());
  ask_rekey_policy(port, now_ns);
  publish(now_ns);
}

// One writer, relaxed stores of what is at hand: an operator's look costs the session nothing.
void Session::publish(uint64_t now_ns) {
  const auto tell = [](const KeyEpoch& epoch, Activity::Keys& keys) {
    const uint64_t used = epoch.bytes();
    const bool same = keys.since.load(std::memory_order_relaxed) == epoch.installed_at_ns();
    const uint64_t before = same ? keys.used.load(std::memory_order_relaxed) : 0;
    if (same && before == used) return false;
    keys.bytes.add(used - before);
    keys.used.store(used, std::memory_order_relaxed);
    keys.records.store(epoch.records(), std::memory_order_relaxed);
    keys.since.store(epoch.installed_at_ns(), std::memory_order_relaxed);
    return true;
  };
  const bool came = tell(receive_.epoch(), activity_->received);
  const bool went = tell(send_.epoch(), activity_->sent);
  if (came || went) activity_->moved_ns.store(now_ns, std::memory_order_relaxed);
}

bool Session::drain_outbox() {
  bool turned = false;
  while (!outbox_.empty() && !send_.error()) {
    Outgoing& next = outbox_.front();
    // One turn of keys at a time: the one before must have been staged.
    if (next.epoch && send_.has_next_epoch()) return turned;
    const auto draft = send_.reserve(next.payload.size());
    if (!draft) return turned;
    std::copy(next.payload.begin(), next.payload.end(), draft->payload.begin());
    if (next.epoch) {
      send_.install(std::move(next.epoch));
      send_.finish_newkeys(*draft, next.payload.size(), next.strict);
      kex_gate_ = false;
      turned = true;
    } else {
      if (next.payload[0] == kMsgKexInit) kex_gate_ = true;
      send_.finish(*draft, next.payload.size());
    }
    outbox_bytes_ -= next.payload.size() + kOutboxEntry;
    // It may be a password.
    wipe(next.payload.data(), next.payload.size());
    outbox_.pop_front();
  }
  return turned;
}

std::optional<Draft> Session::reserve(size_t payload_bytes) {
  // What control wants to say goes first, or a busy channel would keep a KEXINIT waiting for ever.
  if (kex_gate_ || !outbox_.empty() || closing_ || error_) return std::nullopt;
  return send_.reserve(payload_bytes);
}

void Session::ask_rekey_policy(ControlPort& port, uint64_t now_ns) {
  // While keys are turning the old ones say nothing new, and what they ask for would be asked of an exchange under way.
  if (told_due_ || turning() || send_.has_next_epoch() || error_ || closing_) return;
  if (rekey_due(limits_, receive_limits_, now_ns)) {
    told_due_ = post(port, PortEvent::Kind::rekey_due);
  } else if (!told_soon_ && rekey_due(soon_, soon_, now_ns)) {
    told_soon_ = post(port, PortEvent::Kind::rekey_soon);
  }
}

bool Session::rekey_due(const RekeyLimits& sent, const RekeyLimits& received, uint64_t now_ns) const {
  return advice_for(send_.epoch(), sent, now_ns) != RekeyAdvice::keep ||
         advice_for(receive_.epoch(), received, now_ns) != RekeyAdvice::keep;
}

bool Session::due(uint64_t now_ns) const {
  if (closing_ || error_) return true;
  if (told_due_ || !records_) return false;
  return told_soon_ ? rekey_due(limits_, receive_limits_, now_ns) : rekey_due(soon_, soon_, now_ns);
}

void Session::commit(ControlPort& port) {
  moved_ |= send_.commit() > 0;
  if (send_.error() && !error_) cut(*send_.error());
  const size_t unsent = transport_->send_ring().pending_bytes();
  transport_->flush();
  moved_bytes_ += unsent - transport_->send_ring().pending_bytes();
  moved_ |= transport_->send_ring().pending_bytes() != unsent;
  if (!error_told_ && error_) {
    PortEvent event;
    event.kind = PortEvent::Kind::failed;
    event.session = id_;
    event.error = *error_;
    error_told_ = port.post(std::move(event));
  }
}

void Session::return_epochs(ControlPort& port) {
  const auto give_back = [&](std::unique_ptr<KeyEpoch> epoch) {
    PortEvent event;
    event.kind = PortEvent::Kind::drained;
    event.session = id_;
    event.epoch = std::move(epoch);
    // With the ring full it is dropped here, which costs this worker a little and nobody else anything.
    port.post(std::move(event));
  };
  while (auto epoch = receive_.take_drained()) give_back(std::move(epoch));
  while (auto epoch = send_.take_drained()) give_back(std::move(epoch));
}

void Session::cut(ErrorCode error) {
  if (!error_) error_ = error;
}

bool Session::hand_over(Dispatch& dispatch) {
  receive_.hand_over(dispatch);
  return receive_.has_unstaged();
}

bool Session::may_move() const {
  return !error_ && !closing_ && !sink_ && !in_flight() && outbox_.empty() && notes_.empty() &&
         routed_ == shown_count_ && receive_.in_work() == 0 && send_.in_work() == 0;
}

ResultOrText<void> Session::move_to(const DriverSet& drivers) {
  const auto moved = receive_.move_to(drivers);
  return moved ? send_.move_to(drivers) : moved;
}

void Session::move_to(RecordPool& pool, WatchList& watches) {
  receive_.move_to(pool);
  send_.move_to(pool);
  watches_ = &watches;
  moved_ = true;
}

void Session::give_memory_back() {
  if (busy() || in_flight()) return;
  receive_.give_memory_back();
  send_.give_memory_back();
  transport_->give_memory_back();
}

bool Session::busy() const {
  const bool unread = transport_->available() > 0 && !(records_ ? receive_.starved() : lines_starved_);
  return receive_.in_work() > 0 || send_.in_work() > 0 || !outbox_.empty() || transport_->has_unsent() || unread ||
         !notes_.empty() || asked_turn_;
}

bool Session::dismiss_sink(ControlPort& port) {
  sink_.reset();
  post_notes(port);
  return notes_.empty();
}

bool Session::over(uint64_t now_ns) {
  if (receive_.in_flight() > 0 || send_.in_flight() > 0) return false;
  if (transport_->broken()) return true;
  if (!closing_) {
    // All that came was looked at: a peer may say much and close at once.
    return transport_->ended() && !error_ && receive_.in_work() == 0 &&
           (records_ ? receive_.starved() : lines_starved_);
  }
  if (closing_since_ns_ == 0) closing_since_ns_ = now_ns;
  const bool all_sent = outbox_.empty() && send_.in_work() == 0 && !transport_->has_unsent();
  return all_sent || now_ns - closing_since_ns_ > kFarewellNs;
}

}  // namespace sluice
