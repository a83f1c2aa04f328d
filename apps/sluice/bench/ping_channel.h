// A channel that sends a small message to an echo and the next one when it is back, and notes how long each took.
#pragma once

#include <atomic>
#include <chrono>

#include "apps/sluice/bench/load_member.h"
#include "apps/sluice/bench/pattern_channel.h"
#include "base/message_numbers.h"
#include "base/wire.h"

namespace sluice::bench {

class PingChannel final : public PatternChannel {
 public:
  // Delays in milliseconds, as long as `noting` is true; bytes that are others than those that were sent are wrong.
  // Written on the worker's thread.
  PingChannel(const std::atomic<bool>& noting, Member& member) : noting_(noting), member_(member) {
    queue(WireWriter().u8(kMsgChannelOpen).string("session").u32(0).u32(kEchoWindow).u32(kEchoPacket).take());
  }

 private:
  static constexpr size_t kMessage = 64;

  void on_other(Bytes payload) override {
    if (payload[0] == kMsgChannelClose || payload[0] == kMsgChannelOpenFailure) member_.closed = true;
  }
  void on_confirmed() override {
    queue(WireWriter().u8(kMsgChannelRequest).u32(peer_channel_).string("exec").boolean(false).string("cat").take());
    to_send_ = kMessage;
  }
  size_t produce(MutableBytes out) override {
    const size_t n = std::min(out.size(), std::exchange(to_send_, 0));
    if (n > 0) sent_at_ = std::chrono::steady_clock::now();
    fill_pattern(out.first(n), sent_);
    sent_ += n;
    return n;
  }
  void on_data(Bytes data) override {
    const uint64_t returned = member_.received.load(std::memory_order_relaxed);
    if (data.size() > sent_ - returned || !matches_pattern(data, returned)) {
      member_.wrong = true;
      return;
    }
    member_.received.store(returned + data.size(), std::memory_order_relaxed);
    if (returned + data.size() < sent_) return;
    to_send_ = kMessage;
    if (!noting_) return;
    member_.delays.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - sent_at_).count());
  }

  const std::atomic<bool>& noting_;
  Member& member_;
  std::chrono::steady_clock::time_point sent_at_;
  size_t to_send_ = 0;
  uint64_t sent_ = 0;
};

}  // namespace sluice::bench
