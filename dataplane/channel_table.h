// A connection's channels, RFC 4254 section 5, in either role: numbers, windows, requests in order, EOF and close.
//
// Window given to the peer: starts at the least, grows fourfold while the peer uses it up quickly, up to the most, as
// far as the memory budget of all connections goes; wide at once where the service expects bulk. Messages other than
// data wait in one bounded queue; while it is not empty no data leaves, so their order is that of the calls.
// Turns: where several channels want to send, each gets an equal number of records, and the next turn begins with the
// first one for which there was no room.
#pragma once

#include <deque>

#include "base/wire.h"
#include "dataplane/connection_sink.h"
#include "dataplane/window_budget.h"

namespace sluice {

struct FirstWindow {
  uint32_t bytes = 0;
  WindowLoan loan{};
};

struct ChannelLimits {
  // Each costs a service and, worst, a full window.
  size_t channels = 256;
  uint32_t least_window = uint32_t{2} << 20;
  uint32_t most_window = uint32_t{64} << 20;
  WindowBudget* budget = nullptr;         // none: windows stay at the least
  std::shared_ptr<WindowAccount> user{};  // whose connection it is; none: nobody else has any
};

// Of a channel beside others, where the budget has no least one any more. Without even that it is not opened.
inline constexpr uint32_t kSmallWindow = 64 << 10;
// Of a channel whose service expects bulk, and its part of what the budget has left: the more there are, the less each.
inline constexpr uint32_t kBulkWindow = uint32_t{32} << 20;
inline constexpr uint64_t kBulkShare = 16;
// What we tell the peer, and send at most: a record's payload less the longest header.
inline constexpr uint32_t kMaxChannelPacket = kMaxPayload - 64;
// Messages that wait for room. A peer that makes us answer and never reads is not listened to beyond.
inline constexpr size_t kMaxWaitingReplies = 256;
// Unanswered requests of one channel.
inline constexpr size_t kMaxUnansweredRequests = 64;

// Records that channels which all have something to send share in a turn; one alone may take all there is room for.
inline constexpr size_t kTurnRecords = 64;
inline constexpr size_t kAllRecords = ~size_t{0};

class ChannelTable final : public ConnectionSink, private ChannelHost {
 public:
  ChannelTable(std::unique_ptr<ChannelOpener> opener, const ChannelLimits& limits);
  ~ChannelTable() override;

  void attach(ChannelSender& sender) override;
  size_t on_messages(std::span<const Message> messages, ChannelSender& sender) override;
  void on_turn(ChannelSender& sender) override;
  void on_note(SinkNote&& note) override { opener_->on_note(std::move(note)); }
  void hear_global_request(Bytes payload) override { opener_->hear_global_request(payload); }

 private:
  class Entry;

  size_t take_data(std::span<const Message> messages);
  void take(const Message& message);
  void take_open(Bytes payload);
  void take_confirmation(Entry& entry, WireReader& reader);
  void take_refusal(Entry& entry, WireReader& reader);
  void take_stderr(Entry& entry, WireReader& reader);
  void take_adjust(Entry& entry, WireReader& reader);
  void take_request(Entry& entry, WireReader& reader);
  void take_close(Entry& entry);
  Entry* find(uint32_t id);
  uint32_t free_number();
  FirstWindow first_window() const;
  void queue(std::vector<uint8_t> payload);
  bool send_waiting();
  void give_turns();
  void grant(Entry& entry);
  void drop(uint32_t number);

  bool open(std::string_view type, Bytes extra, std::unique_ptr<Service> service) override;
  void tell_control(SinkNote&& note) override { sender_->tell_control(std::move(note)); }
  bool watch(int descriptor, Watcher& watcher) override { return sender_->watch(descriptor, watcher); }
  void unwatch(int descriptor) override { sender_->unwatch(descriptor); }
  void fail(ErrorCode error) override;
  size_t channels() const override { return open_; }
  void ask_turn() override { sender_->ask_turn(); }

  ChannelLimits limits_;
  ChannelSender* sender_ = nullptr;
  std::unique_ptr<ChannelOpener> opener_;
  std::vector<std::unique_ptr<Entry>> entries_;
  size_t open_ = 0;
  bool dropped_ = false;        // a draft came to nothing in this turn
  size_t first_ = 0;            // whose turn it is to send first
  size_t share_ = kAllRecords;  // of each channel in this turn
  std::deque<std::vector<uint8_t>> waiting_;
  bool failed_ = false;
};

}  // namespace sluice
