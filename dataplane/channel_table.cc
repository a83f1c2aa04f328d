// Messages to channels, and what waits to be sent.
#include "dataplane/channel_table.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "base/clock.h"
#include "base/debug.h"
#include "base/message_numbers.h"
#include "base/wire.h"
#include "dataplane/channel_entry.h"

namespace sluice {
namespace {

// Pieces of one channel's data that its service sees at once.
constexpr size_t kMostPieces = 32;
constexpr uint64_t kMostWindow = 0xffffffffu;

}  // namespace

ChannelTable::ChannelTable(std::unique_ptr<ChannelOpener> opener, const ChannelLimits& limits)
    : limits_(limits), opener_(std::move(opener)) {
  limits_.most_window = std::max(limits_.least_window, limits_.most_window);
}

// Services go first: they may still talk to what opened them.
ChannelTable::~ChannelTable() {
  failed_ = true;
  entries_.clear();
}

void ChannelTable::attach(ChannelSender& sender) {
  sender_ = &sender;
  opener_->attach(*this);
}

void ChannelTable::fail(ErrorCode error) {
  failed_ = true;
  sender_->fail(error);
}

size_t ChannelTable::on_messages(std::span<const Message> messages, ChannelSender&) {
  size_t taken = 0;
  while (taken < messages.size() && !failed_) {
    if (waiting_.size() >= kMaxWaitingReplies && !send_waiting()) break;
    if (messages[taken].number() == kMsgChannelData) {
      taken += take_data(messages.subspan(taken));
    } else {
      take(messages[taken++]);
    }
  }
  return taken;
}

// The run of data messages of one channel at the front, shown to its service at once.
size_t ChannelTable::take_data(std::span<const Message> messages) {
  std::array<MutableBytes, kMostPieces> pieces;
  size_t count = 0;
  size_t bytes = 0;
  uint32_t number = 0;
  for (; count < messages.size() && count < pieces.size(); ++count) {
    const MutableBytes payload = messages[count].payload;
    if (payload[0] != kMsgChannelData) break;
    if (payload.size() < Entry::kDataHeader || load_be32(&payload[5]) != payload.size() - Entry::kDataHeader) {
      if (count > 0) break;
      return fail(ErrorCode::malformed_message), 1;
    }
    if (count > 0 && load_be32(&payload[1]) != number) break;
    number = load_be32(&payload[1]);
    pieces[count] = payload.subspan(Entry::kDataHeader);
    bytes += pieces[count].size();
  }
  Entry* entry = find(number);
  if (!entry || entry->close_received_ || entry->state_ != Entry::State::open)
    return fail(ErrorCode::channel_unknown), count;
  if (entry->eof_received_) return fail(ErrorCode::channel_state), count;
  if (!entry->charge(bytes)) return fail(ErrorCode::channel_window), count;
  // Nobody reads what comes behind our CLOSE.
  if (!entry->close_sent_) entry->service_->on_data({pieces.data(), count});
  return count;
}

void ChannelTable::take(const Message& message) {
  if (message.number() == kMsgChannelOpen) return take_open(message.payload);
  WireReader reader(message.payload);
  reader.u8();
  Entry* entry = find(reader.u32());
  if (!reader.ok()) return fail(ErrorCode::malformed_message);
  if (!entry || entry->close_received_ || entry->state_ == Entry::State::deciding)
    return fail(ErrorCode::channel_unknown);
  const uint8_t number = message.number();
  const bool about_open = number == kMsgChannelOpenConfirmation || number == kMsgChannelOpenFailure;
  if (about_open != (entry->state_ == Entry::State::asked)) return fail(ErrorCode::channel_state);
  switch (number) {
    case kMsgChannelOpenConfirmation: return take_confirmation(*entry, reader);
    case kMsgChannelOpenFailure: return take_refusal(*entry, reader);
    case kMsgChannelWindowAdjust: return take_adjust(*entry, reader);
    case kMsgChannelExtendedData: return take_stderr(*entry, reader);
    case kMsgChannelRequest: return take_request(*entry, reader);
    default: break;
  }
  if (!reader.at_end()) return fail(ErrorCode::malformed_message);
  switch (number) {
    case kMsgChannelClose: return take_close(*entry);
    case kMsgChannelEof:
      // Some say it again when two of their parts end a stream: it takes nothing back.
      if (std::exchange(entry->eof_received_, true)) return;
      if (!entry->close_sent_) entry->service_->on_eof();
      return;
    case kMsgChannelSuccess:
    case kMsgChannelFailure:
      // To nothing that was asked: some peers answer what wanted no reply.
      if (entry->replies_due_ == 0) return;
      --entry->replies_due_;
      if (!entry->close_sent_) entry->service_->on_reply(number == kMsgChannelSuccess);
      return;
    default: fail(ErrorCode::unexpected_message);
  }
}

ChannelTable::Entry* ChannelTable::find(uint32_t id) {
  return id < entries_.size() && entries_[id] ? entries_[id].get() : nullptr;
}

uint32_t ChannelTable::free_number() {
  for (uint32_t i = 0; i < entries_.size(); ++i) {
    if (!entries_[i]) return i;
  }
  entries_.emplace_back();
  return static_cast<uint32_t>(entries_.size() - 1);
}

FirstWindow ChannelTable::first_window() const {
  if (open_ == 0 || !limits_.budget) return {limits_.least_window};
  const uint32_t least = limits_.least_window, small = std::min(least, kSmallWindow);
  FirstWindow window;
  WindowAccount* user = limits_.user.get();
  if (window.loan.take(*limits_.budget, least, limits_.budget->reserve(), user)) {
    window.bytes = least;
  } else if (window.loan.take(*limits_.budget, small, 0, user)) {
    window.bytes = small;
  }
  return window;
}

void ChannelTable::take_open(Bytes payload) {
  WireReader reader(payload);
  reader.u8();
  const std::string_view type = reader.text();
  const uint32_t peer = reader.u32();
  const uint32_t window = reader.u32();
  const uint32_t packet = reader.u32();
  if (!reader.ok()) return fail(ErrorCode::malformed_message);
  const auto refuse = [&](const OpenRefusal& refusal) {
    queue(WireWriter()
              .u8(kMsgChannelOpenFailure)
              .u32(peer)
              .u32(static_cast<uint32_t>(refusal.reason))
              .string(refusal.text)
              .string("")
              .take());
  };
  if (packet == 0) return refuse({OpenFailure::resource_shortage, "A packet size of 0 carries nothing"});
  if (open_ >= limits_.channels) return refuse({OpenFailure::resource_shortage, "Too many channels"});
  FirstWindow first = first_window();
  if (first.bytes == 0)
    return refuse({OpenFailure::resource_shortage, "No memory is left for another channel's window"});
  OpenDecision decision = opener_->open(type, reader.rest());
  if (!decision.service) return refuse(decision.refusal);
  const uint32_t number = free_number();
  entries_[number] = std::make_unique<Entry>(*this, number, Entry::State::deciding, std::move(first));
  ++open_;
  Entry& entry = *entries_[number];
  entry.peer_ = peer;
  entry.window_out_ = window;
  entry.peer_packet_ = packet;
  entry.service_ = std::move(decision.service);
  // First, so that what it says when it is attached comes behind.
  if (!decision.pending) entry.confirm({});
  entry.service_->attach(entry);
}

bool ChannelTable::open(std::string_view type, Bytes extra, std::unique_ptr<Service> service) {
  const bool fits = type.size() + extra.size() <= kMaxChannelPacket;
  if (open_ >= limits_.channels || failed_ || !fits) return false;
  FirstWindow first = first_window();
  if (first.bytes == 0) return false;
  const uint32_t number = free_number();
  entries_[number] = std::make_unique<Entry>(*this, number, Entry::State::asked, std::move(first));
  ++open_;
  Entry& entry = *entries_[number];
  entry.service_ = std::move(service);
  queue(WireWriter()
            .u8(kMsgChannelOpen)
            .string(type)
            .u32(number)
            .u32(entry.window_in_)
            .u32(kMaxChannelPacket)
            .raw(extra)
            .take());
  entry.service_->attach(entry);
  return true;
}

void ChannelTable::take_confirmation(Entry& entry, WireReader& reader) {
  const uint32_t peer = reader.u32();
  const uint32_t window = reader.u32();
  const uint32_t packet = reader.u32();
  if (!reader.ok() || packet == 0) return fail(ErrorCode::malformed_message);
  entry.take_confirmation(peer, window, packet);
  if (!entry.close_sent_) entry.service_->on_confirmed(reader.rest());
}

void ChannelTable::take_refusal(Entry& entry, WireReader& reader) {
  const uint32_t reason = reader.u32();
  const std::string_view text = reader.text();
  if (!reader.ok()) return fail(ErrorCode::malformed_message);
  if (!entry.close_sent_) entry.service_->on_refused(static_cast<OpenFailure>(std::min(reason, 0xffu)), text);
  drop(entry.number_);
}

void ChannelTable::take_adjust(Entry& entry, WireReader& reader) {
  const uint32_t more = reader.u32();
  if (!reader.ok() || !reader.at_end()) return fail(ErrorCode::malformed_message);
  if (entry.window_out_ + more > kMostWindow) return fail(ErrorCode::channel_window);
  entry.window_out_ += more;
  if (debugging(kDebugDetail)) opener_->on_debug("channel window adjust message received " + std::to_string(more));
}

void ChannelTable::take_stderr(Entry& entry, WireReader& reader) {
  const uint32_t type = reader.u32();
  const Bytes data = reader.string();
  if (!reader.ok() || !reader.at_end()) return fail(ErrorCode::malformed_message);
  if (entry.eof_received_) return fail(ErrorCode::channel_state);
  if (!entry.charge(data.size())) return fail(ErrorCode::channel_window);
  if (entry.close_sent_) return;
  if (type == 1) {
    entry.service_->on_stderr(data);
  } else {
    entry.consumed(data.size());
  }
}

void ChannelTable::take_request(Entry& entry, WireReader& reader) {
  const std::string_view name = reader.text();
  const bool want_reply = reader.boolean();
  if (!reader.ok()) return fail(ErrorCode::malformed_message);
  if (entry.close_sent_) return;
  if (entry.requests_.size() >= kMaxUnansweredRequests) return fail(ErrorCode::channel_flood);
  // In the list before it is asked: it may answer this one, or an older one, inside the call.
  entry.requests_.push_back({want_reply, Entry::Answer::open});
  const RequestAnswer answer = entry.service_->on_request({name, reader.rest(), want_reply});
  if (answer == RequestAnswer::later) return;
  SLUICE_CHECK(!entry.requests_.empty() && entry.requests_.back().answer == Entry::Answer::open);
  entry.requests_.back().answer = answer == RequestAnswer::success ? Entry::Answer::success : Entry::Answer::failure;
  entry.send_answers();
}

void ChannelTable::take_close(Entry& entry) {
  if (!entry.close_sent_) entry.service_->on_close();
  if (!entry.close_sent_ && entry.service_->lingers()) {
    entry.close_received_ = true;
    return;
  }
  entry.close();
  drop(entry.number_);
}

void ChannelTable::drop(uint32_t number) {
  // Out of the table first: what is destroyed may look at it.
  const std::unique_ptr<Entry> gone = std::move(entries_[number]);
  --open_;
}

void ChannelTable::queue(std::vector<uint8_t> payload) { waiting_.push_back(std::move(payload)); }

// True when nothing waits any more.
bool ChannelTable::send_waiting() {
  while (!waiting_.empty()) {
    const auto draft = sender_->reserve(waiting_.front().size());
    if (!draft) return false;
    std::copy(waiting_.front().begin(), waiting_.front().end(), draft->payload.begin());
    sender_->finish(*draft, waiting_.front().size());
    waiting_.pop_front();
  }
  return true;
}

void ChannelTable::grant(Entry& entry) {
  if (entry.state_ != Entry::State::open || entry.close_sent_ || entry.close_received_ || entry.eof_received_) return;
  if (entry.owed_ < entry.target_ / 4) return;
  const auto draft = sender_->reserve(9);
  if (!draft) return;
  entry.grow(monotonic_clock().now_ns());
  draft->payload[0] = kMsgChannelWindowAdjust;
  store_be32(&draft->payload[1], entry.peer_);
  store_be32(&draft->payload[5], entry.owed_);
  sender_->finish(*draft, 9);
  entry.window_in_ += entry.owed_;
  entry.owed_ = 0;
}

void ChannelTable::on_turn(ChannelSender&) {
  if (failed_) return;
  opener_->on_turn();
  const size_t count = entries_.size();
  if (send_waiting()) {
    for (size_t i = 0; i < count; ++i) {
      if (entries_[i]) grant(*entries_[i]);
    }
  }
  give_turns();
  send_waiting();
}

void ChannelTable::give_turns() {
  const size_t count = entries_.size();
  std::optional<size_t> next;
  size_t hungry = 0;
  bool held_back = false;
  for (size_t i = 0; i < count && !failed_; ++i) {
    const size_t at = (first_ + i) % count;
    if (!entries_[at]) continue;
    if (entries_[at]->over_) {
      drop(static_cast<uint32_t>(at));
      continue;
    }
    Entry& entry = *entries_[at];
    entry.hungry_ = false;
    entry.drafts_ = 0;
    entry.service_->on_turn();
    if (!entry.hungry_) continue;
    ++hungry;
    held_back |= entry.drafts_ >= share_;
    // The first one had its chance, however little there was.
    const bool cut_short = share_ == kAllRecords ? entry.drafts_ == 0 : entry.drafts_ < share_;
    if (i > 0 && cut_short && !next) next = at;
  }
  if (next) first_ = *next;
  share_ = hungry > 1 ? std::max<size_t>(kTurnRecords / hungry, 1) : kAllRecords;
  // There may be room left that nobody was allowed to take, or that came back when a draft came to nothing.
  const bool came_back = std::exchange(dropped_, false) && (hungry > 0 || !waiting_.empty());
  if (held_back || came_back) sender_->ask_turn();
}

}  // namespace sluice
