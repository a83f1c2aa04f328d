// Drafts, answers and windows of one channel.
#include "dataplane/channel_entry.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/message_numbers.h"
#include "base/wire.h"

namespace sluice {
namespace {

// A peer that uses up its window in less than this gets a larger one: what a window allows per round trip is then
// less than what it could send. Longer than any path's round trip: on a longer one no window would ever grow.
constexpr uint64_t kQuickNs = 1'000'000'000;
constexpr uint32_t kStderrType = 1;
// Of the words in a refusal, which may quote what the peer said.
constexpr size_t kMostReason = 1024;

}  // namespace

ChannelTable::Entry::~Entry() {
  // It may still use its channel.
  service_.reset();
}

std::optional<DataDraft> ChannelTable::Entry::reserve_after(size_t header, size_t most) {
  if (state_ != State::open || eof_sent_ || close_sent_ || close_received_) return std::nullopt;
  const size_t n = std::min({most, static_cast<size_t>(std::min<uint64_t>(window_out_, kMaxChannelPacket)),
                             static_cast<size_t>(peer_packet_)});
  if (n == 0) return std::nullopt;
  hungry_ = true;
  if (drafts_ >= table_.share_ || !table_.send_waiting()) return std::nullopt;
  const auto draft = table_.sender_->reserve(header + n);
  if (!draft) return std::nullopt;
  hungry_ = false;
  ++drafts_;
  window_out_ -= n;
  return DataDraft{draft->payload.subspan(header, n), draft->position, draft->payload.data()};
}

void ChannelTable::Entry::finish(const DataDraft& draft, size_t n) {
  SLUICE_CHECK(n <= draft.data.size());
  window_out_ += draft.data.size() - n;
  const size_t header = static_cast<size_t>(draft.data.data() - draft.message);
  const Draft whole{{draft.message, header + draft.data.size()}, draft.position};
  if (n == 0) {
    --drafts_;
    table_.dropped_ = true;
    return table_.sender_->finish(whole, 0);
  }
  draft.message[0] = header == kDataHeader ? kMsgChannelData : kMsgChannelExtendedData;
  store_be32(draft.message + 1, peer_);
  if (header == kStderrHeader) store_be32(draft.message + 5, kStderrType);
  store_be32(draft.message + header - 4, static_cast<uint32_t>(n));
  table_.sender_->finish(whole, header + n);
}

void ChannelTable::Entry::answer(bool success) {
  const auto open = std::find_if(requests_.begin(), requests_.end(),
                                 [](const OpenRequest& request) { return request.answer == Answer::open; });
  SLUICE_CHECK(open != requests_.end());
  open->answer = success ? Answer::success : Answer::failure;
  send_answers();
}

void ChannelTable::Entry::send_answers() {
  while (!requests_.empty() && requests_.front().answer != Answer::open) {
    const OpenRequest request = requests_.front();
    requests_.pop_front();
    if (!request.want_reply || close_sent_ || close_received_) continue;
    table_.queue(
        WireWriter().u8(request.answer == Answer::success ? kMsgChannelSuccess : kMsgChannelFailure).u32(peer_).take());
  }
}

void ChannelTable::Entry::request(std::string_view name, bool want_reply, Bytes extra) {
  if (close_sent_ || close_received_ || over_) return;
  SLUICE_CHECK(state_ == State::open);
  if (want_reply) ++replies_due_;
  table_.queue(WireWriter().u8(kMsgChannelRequest).u32(peer_).string(name).boolean(want_reply).raw(extra).take());
}

void ChannelTable::Entry::send_eof() {
  if (eof_sent_ || close_sent_ || close_received_ || over_) return;
  eof_sent_ = true;
  if (state_ == State::open) table_.queue(WireWriter().u8(kMsgChannelEof).u32(peer_).take());
}

void ChannelTable::Entry::close() {
  if (close_sent_ || over_) return;
  // The peer knows nothing of this channel yet, and shall not.
  if (state_ == State::deciding) return refuse(OpenFailure::connect_failed, "Closed before it was open");
  close_sent_ = true;
  if (state_ == State::open) table_.queue(WireWriter().u8(kMsgChannelClose).u32(peer_).take());
  over_ = close_received_;
}

void ChannelTable::Entry::take_confirmation(uint32_t peer, uint32_t window, uint32_t packet) {
  peer_ = peer;
  window_out_ = window;
  peer_packet_ = packet;
  state_ = State::open;
  // What was said before there was a number to say it to.
  if (std::exchange(eof_sent_, false)) send_eof();
  if (std::exchange(close_sent_, false)) close();
}

void ChannelTable::Entry::confirm(Bytes extra) {
  SLUICE_CHECK(state_ == State::deciding);
  if (over_) return;
  state_ = State::open;
  table_.queue(WireWriter()
                   .u8(kMsgChannelOpenConfirmation)
                   .u32(peer_)
                   .u32(number_)
                   .u32(window_in_)
                   .u32(kMaxChannelPacket)
                   .raw(extra)
                   .take());
  if (std::exchange(eof_sent_, false)) send_eof();
}

void ChannelTable::Entry::refuse(OpenFailure reason, std::string_view text) {
  SLUICE_CHECK(state_ == State::deciding);
  if (std::exchange(over_, true)) return;
  table_.queue(WireWriter()
                   .u8(kMsgChannelOpenFailure)
                   .u32(peer_)
                   .u32(static_cast<uint32_t>(reason))
                   .string(text.substr(0, kMostReason))
                   .string("")
                   .take());
}

void ChannelTable::Entry::consumed(size_t n) {
  // More would be window that the peer never used: it could then send more than anybody keeps room for.
  SLUICE_CHECK(n <= target_ - window_in_ - owed_);
  owed_ += static_cast<uint32_t>(n);
}

void ChannelTable::Entry::widen() {
  WindowBudget* budget = table_.limits_.budget;
  if (!budget || state_ != State::open) return;
  const uint64_t most = std::min<uint64_t>({kBulkWindow, table_.limits_.most_window, budget->left() / kBulkShare});
  if (most <= target_) return;
  const auto more = static_cast<uint32_t>(most - target_);
  if (!loan_.take(*budget, more, budget->reserve(), table_.limits_.user.get())) return;
  target_ += more;
  owed_ += more;
}

bool ChannelTable::Entry::charge(size_t n) {
  if (n > window_in_) return false;
  window_in_ -= static_cast<uint32_t>(n);
  return true;
}

void ChannelTable::Entry::grow(uint64_t now_ns) {
  period_bytes_ += owed_;
  if (period_bytes_ < target_) return;
  const bool quick = period_ns_ != 0 && now_ns - period_ns_ < kQuickNs;
  period_bytes_ = 0;
  period_ns_ = now_ns;
  WindowBudget* budget = table_.limits_.budget;
  if (!quick || !budget) return;
  // Each step costs a long path a round trip: four times as much, or where the budget has no room for that twice.
  for (const uint32_t factor : {3u, 1u}) {
    const uint32_t more = std::min(factor * target_, table_.limits_.most_window - target_);
    if (more == 0 || !loan_.take(*budget, more, budget->reserve(), table_.limits_.user.get())) continue;
    target_ += more;
    owed_ += more;
    return;
  }
}

}  // namespace sluice
