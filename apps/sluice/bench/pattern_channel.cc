// RFC 4254 as far as one channel needs it.
#include "apps/sluice/bench/pattern_channel.h"

#include <algorithm>

#include "base/check.h"
#include "base/message_numbers.h"
#include "base/random.h"
#include "base/wire.h"

namespace sluice::bench {
namespace {

constexpr size_t kDataHeader = 9;  // number, channel, length

// A prime period: a piece that is lost, doubled or swapped never falls back into step.
constexpr size_t kPeriod = 65521;

// The pattern twice in a row, so that any piece of up to a period is contiguous in it.
const uint8_t* pattern() {
  static const std::vector<uint8_t> bytes = [] {
    std::vector<uint8_t> out(2 * kPeriod);
    CheapRandom(1).fill({out.data(), kPeriod});
    std::copy(out.begin(), out.begin() + kPeriod, out.begin() + kPeriod);
    return out;
  }();
  return bytes.data();
}

}  // namespace

void fill_pattern(MutableBytes out, uint64_t position) {
  SLUICE_CHECK(out.size() <= kPeriod);
  std::memcpy(out.data(), pattern() + position % kPeriod, out.size());
}

bool matches_pattern(Bytes bytes, uint64_t position) {
  SLUICE_CHECK(bytes.size() <= kPeriod);
  return std::memcmp(bytes.data(), pattern() + position % kPeriod, bytes.size()) == 0;
}

size_t PatternChannel::on_messages(std::span<const Message> messages, ChannelSender& sender) {
  for (const Message& message : messages) take(message);
  if (overrun()) {
    sender.fail(waiting_.size() > kMostWaiting ? ErrorCode::channel_flood : ErrorCode::channel_window);
    return messages.size();
  }
  on_turn(sender);
  return messages.size();
}

void PatternChannel::take(const Message& message) {
  WireReader reader(message.payload);
  switch (reader.u8()) {
    case kMsgChannelData: {
      reader.u32();
      const Bytes data = reader.string();
      overrun_ |= data.size() > granted_;
      if (overrun_) return;
      granted_ -= data.size();
      on_data(data);
      consumed_ += static_cast<uint32_t>(data.size());
      return;
    }
    case kMsgChannelWindowAdjust:
      reader.u32();
      peer_window_ += reader.u32();
      return;
    case kMsgChannelOpenConfirmation:
      reader.u32();
      peer_channel_ = reader.u32();
      peer_window_ = reader.u32();
      peer_packet_ = reader.u32();
      return on_confirmed();
    default: return on_other(message.payload);
  }
}

void PatternChannel::give_window() {
  queue(WireWriter().u8(kMsgChannelWindowAdjust).u32(peer_channel_).u32(consumed_).take());
  granted_ += consumed_;
  consumed_ = 0;
}

// True when nothing waits any more.
bool PatternChannel::send_waiting(ChannelSender& sender) {
  while (!waiting_.empty()) {
    const auto draft = sender.reserve(waiting_.front().size());
    if (!draft) return false;
    std::copy(waiting_.front().begin(), waiting_.front().end(), draft->payload.begin());
    sender.finish(*draft, waiting_.front().size());
    waiting_.pop_front();
  }
  return true;
}

void PatternChannel::on_turn(ChannelSender& sender) {
  if (consumed_ >= window_ / 2 && held() < window_) give_window();
  if (!send_waiting(sender)) return;
  // Straight into the record's place.
  while (peer_window_ > 0) {
    const size_t most = std::min<uint64_t>({peer_window_, peer_packet_, kEchoPacket});
    const auto draft = sender.reserve(kDataHeader + most);
    if (!draft) return;
    const size_t n = produce(draft->payload.subspan(kDataHeader));
    if (n > 0) {
      draft->payload[0] = kMsgChannelData;
      store_be32(draft->payload.data() + 1, peer_channel_);
      store_be32(draft->payload.data() + 5, static_cast<uint32_t>(n));
      peer_window_ -= n;
    }
    sender.finish(*draft, n > 0 ? kDataHeader + n : 0);
    if (n == 0) break;
  }
  // The last data is followed by its end, and no other turn need come.
  send_waiting(sender);
}

void EchoChannel::on_other(Bytes payload) {
  switch (payload[0]) {
    case kMsgChannelOpen: return take_open(payload);
    case kMsgChannelRequest: return take_request(payload);
    case kMsgChannelEof:
      peer_eof_ = true;
      if (mode_ != Mode::source && echo_.empty()) finish();
      return;
    default: return;
  }
}

void EchoChannel::take_open(Bytes payload) {
  WireReader reader(payload);
  reader.u8();
  const std::string_view type = reader.text();
  peer_channel_ = reader.u32();
  peer_window_ = reader.u32();
  peer_packet_ = reader.u32();
  if (type != "session") {
    return queue(
        WireWriter().u8(kMsgChannelOpenFailure).u32(peer_channel_).u32(3).string("only sessions").string("").take());
  }
  queue(
      WireWriter().u8(kMsgChannelOpenConfirmation).u32(peer_channel_).u32(0).u32(kEchoWindow).u32(kEchoPacket).take());
}

void EchoChannel::take_request(Bytes payload) {
  WireReader reader(payload);
  reader.u8();
  reader.u32();
  const std::string_view type = reader.text();
  const bool wants_reply = reader.boolean();
  if (type == "exec" || type == "shell") {
    const std::string command(type == "exec" ? reader.text() : "cat");
    mode_ = command == "sink" ? Mode::sink : command.starts_with("source ") ? Mode::source : Mode::echo;
    if (mode_ == Mode::source) to_produce_ = std::strtoull(command.c_str() + 7, nullptr, 10);
  }
  if (wants_reply) queue(WireWriter().u8(kMsgChannelSuccess).u32(peer_channel_).take());
}

void EchoChannel::on_data(Bytes data) {
  if (mode_ != Mode::sink) echo_.insert(echo_.end(), data.begin(), data.end());
}

size_t EchoChannel::produce(MutableBytes out) {
  if (mode_ == Mode::source) {
    const size_t n = std::min<uint64_t>(out.size(), to_produce_ - produced_);
    fill_pattern(out.first(n), produced_);
    produced_ += n;
    if (produced_ == to_produce_) finish();
    return n;
  }
  const size_t n = std::min(out.size(), echo_.size());
  std::copy(echo_.begin(), echo_.begin() + static_cast<ptrdiff_t>(n), out.begin());
  echo_.erase(echo_.begin(), echo_.begin() + static_cast<ptrdiff_t>(n));
  if (peer_eof_ && echo_.empty()) finish();
  return n;
}

void EchoChannel::finish() {
  if (std::exchange(finished_, true)) return;
  queue(WireWriter().u8(kMsgChannelEof).u32(peer_channel_).take());
  queue(WireWriter().u8(kMsgChannelRequest).u32(peer_channel_).string("exit-status").boolean(false).u32(0).take());
  queue(WireWriter().u8(kMsgChannelClose).u32(peer_channel_).take());
}

PullChannel::PullChannel(std::string command, uint64_t to_send, std::function<void(const PullState&)> progress,
                         uint32_t window, uint64_t in_flight)
    : PatternChannel(window),
      command_(std::move(command)),
      to_send_(to_send),
      in_flight_(in_flight),
      progress_(std::move(progress)) {
  queue(WireWriter().u8(kMsgChannelOpen).string("session").u32(0).u32(window).u32(kEchoPacket).take());
}

void PullChannel::on_confirmed() {
  confirmed_ = true;
  queue(WireWriter().u8(kMsgChannelRequest).u32(peer_channel_).string("exec").boolean(true).string(command_).take());
}

void PullChannel::on_other(Bytes payload) {
  if (payload[0] != kMsgChannelClose || state_.closed) return;
  state_.closed = true;
  queue(WireWriter().u8(kMsgChannelClose).u32(peer_channel_).take());
  progress_(state_);
}

void PullChannel::on_data(Bytes data) {
  // A peer may send more at once than it was told.
  while (!data.empty()) {
    const Bytes piece = data.first(std::min(data.size(), kPeriod));
    if (!matches_pattern(piece, state_.received)) state_.wrong = true;
    state_.received += piece.size();
    data = data.subspan(piece.size());
  }
  progress_(state_);
}

size_t PullChannel::produce(MutableBytes out) {
  if (!confirmed_) return 0;
  const uint64_t room = in_flight_ - std::min(in_flight_, sent_ - state_.received);
  const size_t n = std::min<uint64_t>({out.size(), to_send_ - sent_, room});
  fill_pattern(out.first(n), sent_);
  sent_ += n;
  if (sent_ == to_send_ && !std::exchange(eof_sent_, true))
    queue(WireWriter().u8(kMsgChannelEof).u32(peer_channel_).take());
  return n;
}

}  // namespace sluice::bench
